package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/internal/spelling"
)

// rootCommand is `boreas` itself. Without a subcommand it runs the server.
func rootCommand(p *program) *cli.Command {
	root := &cli.Command{
		Name:      "boreas",
		Usage:     "a real-time pub/sub server",
		Reader:    p.stdin,
		Writer:    p.stdout,
		ErrWriter: p.stderr,
		Commands:  commands(p),
		Flags:     append(optionFlags(), versionFlag()),
		Before:    checkRootFlags,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return unknownCommand(cmd, cmd.Args().First())
			}
			if cmd.Bool("version") {
				return p.version()
			}
			return p.serve(ctx, cmd)
		},

		EnableShellCompletion: true,
		ConfigureShellCompletionCommand: func(completion *cli.Command) {
			completion.Hidden = false
			completion.Usage = "print a script for bash, zsh, fish or pwsh that completes commands and flags"
			useUsageErrors(completion)
			for _, shell := range completion.Commands {
				if shell.Name == "bash" {
					shell.Action = p.completeBash
				}
			}
			completion.Action = func(_ context.Context, cmd *cli.Command) error {
				return usagef("name a shell: boreas completion bash, zsh, fish or pwsh")
			}
		},
		// The library would add a help subcommand to each command, and `boreas subscribe help`
		// could not subscribe to the channel "help". The root has a help command of its own.
		HideHelpCommand: true,
		// Otherwise the library would print the error and exit. run prints it, and main exits.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	useUsageErrors(root)
	return root
}

// takesOptions are the commands that take the options of the server.
var takesOptions = []string{"serve", "config", "cluster", "migrate"}

// checkRootFlags refuses server options before the name of a command that ignores them.
func checkRootFlags(ctx context.Context, root *cli.Command) (context.Context, error) {
	name := root.Args().First()
	if name != "" && root.Bool("version") {
		return ctx, usagef("--version must be alone: `boreas --version`")
	}
	if name == "" || slices.Contains(takesOptions, name) || root.Command(name) == nil {
		return ctx, nil
	}
	for _, f := range root.Flags {
		if _, ours := f.(*cli.GenericFlag); ours && f.IsSet() {
			return ctx, usagef("--%s is an option of the server, not of `boreas %s`", f.Names()[0], name)
		}
	}
	return ctx, nil
}

func unknownCommand(root *cli.Command, name string) error {
	var names []string
	for _, c := range root.Commands {
		names = append(names, c.Name)
	}
	return usagef("there is no command %q%s; see `boreas --help`", name, suggestion(name, names, ""))
}

// useUsageErrors makes cmd and its subcommands return usageErrors for invalid flags.
func useUsageErrors(cmd *cli.Command) {
	cmd.OnUsageError = func(_ context.Context, cmd *cli.Command, err error, _ bool) error {
		return usageError{flagError(cmd, err)}
	}
	for _, sub := range cmd.Commands {
		useUsageErrors(sub)
	}
}

// flagError replaces the library's error for a flag.
func flagError(cmd *cli.Command, err error) error {
	see := fmt.Sprintf("; see `%s --help`", cmd.FullName())
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		name = strings.TrimLeft(name, "-")
		return fmt.Errorf("there is no flag %s%s%s", dashed(name), suggestion(name, flagNames(cmd), "--"), see)
	}
	if name, ok := strings.CutPrefix(err.Error(), "flag needs an argument: "); ok {
		name = dashed(strings.TrimLeft(name, "-"))
		return fmt.Errorf("%s needs a value: %s=VALUE%s", name, name, see)
	}
	if parts := badValue.FindStringSubmatch(err.Error()); parts != nil {
		return fmt.Errorf("%s: %s, not %s%s", dashed(parts[2]), wanted(cmd, parts[2]), parts[1], see)
	}
	return fmt.Errorf("%w%s", err, see)
}

// dashed returns a flag's name with its dashes.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// badValue matches the value and the flag's name in the library's error.
var badValue = regexp.MustCompile(`^invalid value ("(?:[^"\\]|\\.)*") for flag -+([^:]+): `)

// wanted describes the values that the named flag of cmd, or of a parent command, accepts.
func wanted(cmd *cli.Command, name string) string {
	for _, c := range cmd.Lineage() {
		for _, f := range c.Flags {
			if !slices.Contains(f.Names(), name) {
				continue
			}
			switch f := f.(type) {
			case *cli.IntFlag:
				return "want a whole number"
			case *cli.FloatFlag:
				return "want a number"
			case *cli.BoolFlag:
				return "want true or false, or nothing, which means true"
			case *cli.GenericFlag:
				if _, ok := f.Value.(*duration); ok {
					return errDuration.Error()
				}
			}
		}
	}
	return "want another value"
}

// flagNames returns the names of cmd's visible flags.
func flagNames(cmd *cli.Command) []string {
	names := []string{"help"}
	for _, f := range cmd.Flags {
		if name := f.Names()[0]; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// suggestion returns the end of a sentence that suggests a similar name, or "".
func suggestion(name string, names []string, prefix string) string {
	if nearest := spelling.Nearest(name, names); nearest != "" {
		return "; did you mean " + prefix + nearest + "?"
	}
	return ""
}
