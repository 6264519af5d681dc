package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/internal/config"
)

// optionFlags makes a flag of each option of the server. They keep the text that is
// given: package config judges it, as it judges the environment and the file.
func optionFlags() []cli.Flag { return someOptionFlags(func(string) bool { return true }) }

// someOptionFlags makes flags of those options of the server whose names are wanted.
func someOptionFlags(wanted func(name string) bool) []cli.Flag {
	var flags []cli.Flag
	for _, o := range config.Options() {
		if !wanted(o.Name) {
			continue
		}
		f := &cli.GenericFlag{
			Name:     o.Flag(),
			Category: o.Group,
			Usage:    o.Usage, // completions show it
			Value:    &optionText{boolean: o.Bool()},
			Local:    true,
		}
		if o.Name != o.Flag() {
			f.Aliases = []string{o.Name} // as in 2013
		}
		f.SetStringer(func(cli.Flag) string { return optionHelp(o) })
		flags = append(flags, f)
	}
	return flags
}

// optionText is the text given for an option.
type optionText struct {
	text    string
	boolean bool
}

func (t *optionText) Set(text string) error { t.text = text; return nil }
func (t *optionText) String() string        { return t.text }
func (t *optionText) Get() any              { return t }

// IsBoolFlag lets `--debug` stand without a value.
func (t *optionText) IsBoolFlag() bool { return t.boolean }

// optionWidth is the width of the column with the options' names in the help.
const optionWidth = 31

// optionHelp is an option's line in the help.
func optionHelp(o config.Option) string {
	name := strings.TrimSpace("--" + o.Flag() + " " + o.Placeholder())
	line := fmt.Sprintf("%-*s  %s", optionWidth-2, name, o.Usage) // keep a space after a longer name
	if o.Default != "" {
		line += " (" + o.ShownDefault() + ")"
	}
	return line
}

// loadConfig reads the server's options for cmd: those given before and after the
// subcommand's name, the environment, the file.
func (p *program) loadConfig(cmd *cli.Command) (config.Config, error) {
	if cmd.Args().Present() {
		return config.Config{}, usagef("%s takes no arguments, only flags: %q is neither", cmd.FullName(), cmd.Args().First())
	}
	return p.readConfig(cmd)
}

// readConfig is loadConfig for a command that takes arguments.
func (p *program) readConfig(cmd *cli.Command) (config.Config, error) {
	flags := make(map[string]string)
	lineage := cmd.Lineage()
	for i := len(lineage) - 1; i >= 0; i-- { // the root first: what stands later counts
		for _, f := range lineage[i].Flags {
			generic, ok := f.(*cli.GenericFlag)
			if !ok || !generic.IsSet() {
				continue
			}
			if given, ok := generic.Value.(*optionText); ok {
				flags[strings.ReplaceAll(generic.Name, "-", "_")] = given.text
			}
		}
	}
	c, err := config.Load(config.Input{Flags: flags, Env: p.env, OtherEnv: []string{envAPI, envWS, envToken, envKey}})
	if err != nil {
		return config.Config{}, usageError{err}
	}
	return c, nil
}
