package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"
)

func tokenCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "token",
		Usage:     "make, list and delete tokens",
		ArgsUsage: "new|list|delete",
		Description: "A token lets a subscriber in. Tokens are secrets: anyone who has one can listen.\n\n" +
			"Examples:\n" +
			"  boreas token new > my-token\n" +
			"  boreas token list --channel=news\n" +
			"  boreas token delete < my-token",
		Commands: []*cli.Command{newTokenCommand(p), listTokensCommand(p), deleteTokenCommand(p)},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return unknownCommand(cmd, cmd.Args().First())
			}
			return usagef("say what to do: boreas token new, list or delete")
		},
	}
}

func newTokenCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "new",
		Usage:       "make a token and print it",
		Description: "Prints a new token, valid at once and until it is deleted or the server ends.",
		Flags:       []cli.Flag{apiFlag()},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := takesNoArguments(cmd); err != nil {
				return err
			}
			c, err := p.apiClient(cmd)
			if err != nil {
				return err
			}
			defer c.Close()
			token, err := c.NewToken(ctx)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.stdout, token)
			return err
		},
	}
}

func listTokensCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "print the tokens that are in use",
		Description: "Prints each token with at least one connection, one a line. With --channel it prints\n" +
			"one line for each connection on the channel, so that a token can be there twice.",
		Flags: []cli.Flag{apiFlag(), &cli.StringFlag{Name: "channel", Usage: "only connections on this `CHANNEL`"}},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := takesNoArguments(cmd); err != nil {
				return err
			}
			var channel []string
			if cmd.IsSet("channel") {
				channel = []string{cmd.String("channel")}
			}
			c, err := p.apiClient(cmd)
			if err != nil {
				return err
			}
			defer c.Close()
			tokens, err := c.ActiveTokens(ctx, channel...)
			for _, token := range tokens {
				if _, err := fmt.Fprintln(p.stdout, token); err != nil {
					return err
				}
			}
			return err
		},
	}
}

func deleteTokenCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "delete",
		Usage: "make a token invalid",
		Description: "Reads the token from standard input or a file. It cannot be an argument: every user of\n" +
			"a machine can see the arguments of all its processes, and shells keep them.\n" +
			"Connections that use the token become anonymous and get nothing more.\n\n" +
			"Examples:\n" +
			"  boreas token delete < my-token\n" +
			"  boreas token delete --token-file=my-token",
		Flags: []cli.Flag{apiFlag(), tokenFileFlag("read the token from `FILE` instead of standard input")},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				// Not repeated in the message, which may end up in a log.
				return usagef("%s takes no argument: give the token on standard input or with --token-file, "+
					"as arguments can be seen by every user of this machine", cmd.FullName())
			}
			name := "-"
			if cmd.IsSet("token-file") {
				name = cmd.String("token-file")
			}
			token, err := p.tokenFile(name)
			if err != nil {
				return err
			}
			c, err := p.apiClient(cmd)
			if err != nil {
				return err
			}
			defer c.Close()
			return c.DeleteToken(ctx, token)
		},
	}
}

func takesNoArguments(cmd *cli.Command) error {
	if cmd.Args().Present() {
		return usagef("%s takes no arguments, only flags: %q is neither", cmd.FullName(), cmd.Args().First())
	}
	return nil
}
