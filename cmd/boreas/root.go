package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
)

// rootCommand is `boreas` itself.
func rootCommand(p *program) *cli.Command {
	root := &cli.Command{
		Name:                  "boreas",
		Usage:                 "a real-time pub/sub server",
		Reader:                p.stdin,
		Writer:                p.stdout,
		ErrWriter:             p.stderr,
		Commands:              commands(p),
		Flags:                 optionFlags(),
		EnableShellCompletion: true,
		// A help subcommand of each command would take a channel's name: `boreas subscribe help`.
		HideHelpCommand: true,
		// The library would print and exit by itself; run does the one and main the other.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	useUsageErrors(root)
	return root
}

// useUsageErrors makes mistakes in the flags of cmd and its subcommands come back
// as usageErrors that say what was meant.
func useUsageErrors(cmd *cli.Command) {
	cmd.OnUsageError = func(_ context.Context, cmd *cli.Command, err error, _ bool) error {
		return usageError{flagError(cmd, err)}
	}
	for _, sub := range cmd.Commands {
		useUsageErrors(sub)
	}
}

// flagError says in our words what the library found wrong with a flag.
func flagError(cmd *cli.Command, err error) error {
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		return fmt.Errorf("unknown flag --%s; see `%s --help`", name, cmd.FullName())
	}
	return fmt.Errorf("%w; see `%s --help`", err, cmd.FullName())
}
