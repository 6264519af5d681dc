package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// optionFlags returns a flag for each option of the server. The flags keep their text, because
// package config checks it together with the environment and the file.
func optionFlags() []cli.Flag { return someOptionFlags(func(string) bool { return true }) }

// someOptionFlags returns flags for the server's options with wanted names.
func someOptionFlags(wanted func(name string) bool) []cli.Flag {
	var flags []cli.Flag
	for _, o := range config.Options() {
		if !wanted(o.Name) {
			continue
		}
		f := &cli.GenericFlag{
			Name:     o.Flag(),
			Category: o.Group,
			Usage:    o.Usage, // for shell completion
			Value:    &optionText{boolean: o.Bool()},
			Local:    true,
		}
		if o.Name != o.Flag() {
			f.Aliases = []string{o.Name} // the spelling of Boreas 1
		}
		f.SetStringer(func(cli.Flag) string { return optionHelp(o) })
		flags = append(flags, f)
	}
	return flags
}

// optionText is the text of an option's flag.
type optionText struct {
	text    string
	boolean bool
}

func (t *optionText) Set(text string) error { t.text = text; return nil }
func (t *optionText) String() string        { return t.text }
func (t *optionText) Get() any              { return t }

// IsBoolFlag allows `--debug` without a value.
func (t *optionText) IsBoolFlag() bool { return t.boolean }

// optionWidth is the width of the help's column of option names.
const optionWidth = 31

// optionHelp returns an option's line in the help.
func optionHelp(o config.Option) string {
	name := strings.TrimSpace("--" + o.Flag() + " " + o.Placeholder())
	line := fmt.Sprintf("%-*s  %s", optionWidth-2, name, o.Usage) // a longer name still gets a space
	if o.Default != "" {
		line += " (" + o.ShownDefault() + ")"
	}
	return line
}

// loadConfig reads the server's options for cmd from the flags before and after the subcommand's
// name, the environment and the file.
func (p *program) loadConfig(cmd *cli.Command) (config.Config, error) {
	if cmd.Args().Present() {
		return config.Config{}, usagef("%s takes only flags, and %q is not a flag", cmd.FullName(), cmd.Args().First())
	}
	return p.readConfig(cmd)
}

// readConfig is like loadConfig, for a command with arguments.
func (p *program) readConfig(cmd *cli.Command) (config.Config, error) {
	flags := make(map[string]string)
	lineage := cmd.Lineage()
	for i := len(lineage) - 1; i >= 0; i-- { // start at the root: later flags override earlier ones
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
