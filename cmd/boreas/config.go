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
		Usage: "print the value of each option, and its source",
		Description: "Reads flags, environment and file as the server does, and prints the result.\n" +
			"With --toml it prints a commented boreas.toml with these values: use it to start a\n" +
			"new file, or to convert an old boreas.conf.\n" +
			"With --check it only checks a file, with the same flags and environment, before a reload.",
		Flags: append(optionFlags(), &cli.BoolFlag{Name: "toml", Usage: "print a commented boreas.toml"},
			&cli.StringFlag{Name: "check", Usage: "check the configuration in `FILE`, and print nothing but its errors", TakesFile: true}),
		Action: func(_ context.Context, cmd *cli.Command) error {
			if name := cmd.String("check"); name != "" {
				if err := cmd.Set("config", name); err != nil {
					return err
				}
			}
			c, err := p.loadConfig(cmd)
			if err != nil {
				return err
			}
			if cmd.IsSet("check") {
				return nil
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
