package main

import (
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

// expiryFlags returns the flags for the expiry of a new token or key.
func expiryFlags() []cli.Flag {
	return []cli.Flag{
		durationFlag("ttl", "its lifetime, a `TIME` such as 12h or 30d; without it and --expires it does not expire", 0),
		&cli.StringFlag{Name: "expires", Usage: "its expiry, a `TIME` such as 2027-01-31T12:00:00Z"},
	}
}

// expiryOf reads the expiryFlags: a TTL, an expiry, or neither.
func expiryOf(cmd *cli.Command) (ttl time.Duration, end time.Time, err error) {
	ttl = durationOf(cmd, "ttl")
	switch {
	case cmd.IsSet("ttl") && cmd.IsSet("expires"):
		return 0, end, usagef("give --ttl or --expires, not both")
	case cmd.IsSet("ttl") && ttl < time.Second:
		return 0, end, usagef("--ttl must be at least 1s")
	}
	end, err = timeFlag(cmd, "expires")
	return ttl, end, err
}

// timeFlag returns the value of a time flag, or the zero time if it is not set.
func timeFlag(cmd *cli.Command, name string) (time.Time, error) {
	if !cmd.IsSet(name) {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, cmd.String(name))
	if err != nil || t.IsZero() {
		return time.Time{}, usagef("--%s is not a time such as 2027-01-31T12:00:00Z (RFC 3339)", name)
	}
	return t, nil
}

// shownTime formats a time for people, or returns without for the zero time.
func shownTime(t time.Time, without string) string {
	if t.IsZero() {
		return without
	}
	return t.UTC().Format(time.RFC3339)
}

// texts is the value of a flag that may be repeated. The library's own type would split values at
// commas.
type texts struct{ list []string }

func (t *texts) Set(text string) error { t.list = append(t.list, text); return nil }
func (t *texts) String() string        { return strings.Join(t.list, " ") }
func (t *texts) Get() any              { return t }

// textsFlag returns a flag that may be repeated.
func textsFlag(name, usage string) cli.Flag {
	return &cli.GenericFlag{Name: name, Usage: usage, Value: &texts{}}
}

// textsOf returns the values of a textsFlag.
func textsOf(cmd *cli.Command, name string) []string {
	t, ok := cmd.Generic(name).(*texts)
	if !ok {
		return nil
	}
	return t.list
}

// words splits a list at its commas.
func words(list string) []string {
	var found []string
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word != "" {
			found = append(found, word)
		}
	}
	return found
}
