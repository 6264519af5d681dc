package config

import "strings"

// Shown is an option with its value, for people who may not see secrets.
type Shown struct {
	Name   string
	Value  string // in the form of the command line; of a secret "set"
	Source Source
	Secret bool // the value is not shown
}

// A Source is the kind of place where an option was set.
type Source string

// The sources, in the order of their precedence.
const (
	FromFlag        Source = "flag"
	FromEnvironment Source = "environment"
	FromFile        Source = "file"
	FromDefault     Source = "default"
)

// secretIsSet is shown instead of a secret.
const secretIsSet = "set"

// Shown returns each option with its value and its source. Unlike [Config.Print], it also withholds
// the names of files with secrets, and URLs and commands, because it is shown over the network.
func (c Config) Shown() []Shown {
	var all []Shown
	for _, o := range Options() {
		s := Shown{Name: o.Name, Value: o.format(c), Source: c.source(o), Secret: o.mayHaveSecret(c)}
		if s.Secret {
			s.Value = secretIsSet
		}
		all = append(all, s)
	}
	return all
}

// mayHaveSecret reports whether the option's value in c may have a secret in it.
func (o Option) mayHaveSecret(c Config) bool {
	value := o.format(c)
	if o.Name == "engine" {
		return false // a valid one has no password: see parseServers
	}
	return o.secret && value != o.Default && value != ""
}

// source returns the kind of the option's origin.
func (c Config) source(o Option) Source {
	switch origin := c.Origin(o.Name); {
	case origin == DefaultOrigin:
		return FromDefault
	case origin == o.Env():
		return FromEnvironment
	case strings.HasPrefix(origin, "--"):
		return FromFlag
	}
	return FromFile
}
