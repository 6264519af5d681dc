package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"
)

// configCommand prints the options in force. It checks them like the server at start.
func configCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "config",
		Usage: "print each option in force and where its value came from",
		Description: "Reads flags, environment and file as the server does, and prints the outcome.\n" +
			"With --toml it prints a commented boreas.toml with these values: a start for a\n" +
			"new file, and the way from an old boreas.conf to it.",
		Flags: append(optionFlags(), &cli.BoolFlag{Name: "toml", Usage: "print a commented boreas.toml"}),
		Action: func(_ context.Context, cmd *cli.Command) error {
			c, err := p.loadConfig(cmd)
			if err != nil {
				return err
			}
			for _, note := range c.Notes { // the server would log them
				fmt.Fprintf(p.stderr, "boreas: %s\n", note)
			}
			if cmd.Bool("toml") {
				return c.PrintTOML(p.stdout)
			}
			return c.Print(p.stdout)
		},
	}
}
