package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/urfave/cli/v3"
)

func tokenCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "token",
		Usage:     "make, inspect, list and delete tokens",
		ArgsUsage: "new|inspect|list|delete",
		Description: "A subscriber needs a token to connect. Tokens are secrets: anyone with a token can subscribe.\n\n" +
			"Examples:\n" +
			"  boreas token new > my-token\n" +
			"  boreas token new --user=u1 --ttl=24h --allow='join,publish:chat.*'\n" +
			"  boreas token inspect --can='join chat.1' - < my-token\n" +
			"  boreas token list --channel=news\n" +
			"  boreas token delete < my-token",
		Commands: []*cli.Command{newTokenCommand(p), inspectTokenCommand(p), listTokensCommand(p), deleteTokenCommand(p)},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return unknownCommand(cmd, cmd.Args().First())
			}
			return usagef("say what to do: boreas token new, inspect, list or delete")
		},
	}
}

func listTokensCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "print the tokens that are in use",
		Description: "Prints each token with at least one connection, one per line. With --channel it prints\n" +
			"one line for each connection on the channel, so a token can appear twice.\n" +
			"With --all it lists the tokens that the server has made, in use or not, by their IDs.",
		Flags: []cli.Flag{
			apiFlag(), keyFileFlag(),
			&cli.StringFlag{Name: "channel", Usage: "only connections on this `CHANNEL`"},
			&cli.BoolFlag{Name: "all", Usage: "all tokens that the server has made"},
			&cli.StringFlag{Name: "user", Usage: "with --all: only the tokens of the user with this `NAME`"},
			&cli.BoolFlag{Name: "json", Usage: "with --all: print one JSON object per line"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := takesNoArguments(cmd); err != nil {
				return err
			}
			if cmd.Bool("all") {
				return p.listAllTokens(ctx, cmd)
			}
			if cmd.IsSet("user") || cmd.IsSet("json") {
				return usagef("--user and --json need --all")
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

// listAllTokens prints the server's tokens, page by page.
func (p *program) listAllTokens(ctx context.Context, cmd *cli.Command) error {
	if cmd.IsSet("channel") {
		return usagef("--channel cannot be used with --all")
	}
	c, err := p.apiClient(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	lines := json.NewEncoder(p.stdout)
	lines.SetEscapeHTML(false)
	if !cmd.Bool("json") {
		fmt.Fprintln(t, "ID\tUSER\tMADE\tENDS\tRULES\tKEY\tLABEL")
	}
	for info, err := range c.Tokens(ctx, cmd.String("user")) {
		if err != nil {
			return errors.Join(t.Flush(), needsNewer(err))
		}
		if cmd.Bool("json") {
			if err := lines.Encode(info); err != nil {
				return err
			}
			continue
		}
		rules := "all"
		if info.Rules != nil {
			rules = strconv.Itoa(len(info.Rules))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", info.ID, cmp.Or(printable(info.User), "-"), shownTime(info.Created, "-"),
			shownTime(info.Expires, "never"), rules, cmp.Or(info.Key, "-"), cmp.Or(printable(info.Label), "-"))
	}
	return t.Flush()
}

func deleteTokenCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "delete",
		Usage: "make a token invalid",
		Description: "Reads the token from standard input or a file. It cannot be an argument: every user of\n" +
			"a machine can see the arguments of all its processes, and shells store them.\n" +
			"Connections that use the token become anonymous and receive nothing more. If a token has\n" +
			"an ID, the ID is enough; it is not a secret.\n\n" +
			"Examples:\n" +
			"  boreas token delete < my-token\n" +
			"  boreas token delete --token-file=my-token\n" +
			"  boreas token delete --id=tok_2nJ5uWqYk0Rb8xZc",
		Flags: []cli.Flag{
			apiFlag(), keyFileFlag(),
			tokenFileFlag("read the token from `FILE` instead of standard input"),
			&cli.StringFlag{Name: "id", Usage: "delete the token with this `ID`, and end its sessions"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				// Do not repeat the argument: error messages may end up in logs.
				return usagef("%s takes no argument: give the token on standard input or with --token-file, "+
					"because every user of this machine can see arguments", cmd.FullName())
			}
			if cmd.IsSet("id") {
				return p.deleteTokenID(ctx, cmd)
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

func (p *program) deleteTokenID(ctx context.Context, cmd *cli.Command) error {
	id := cmd.String("id")
	if cmd.IsSet("token-file") {
		return usagef("give --id or --token-file, not both")
	}
	if isSecret(id) {
		return usagef("--id takes the ID of a token, tok_ and 16 characters, not the token")
	}
	c, err := p.apiClient(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	revoked, err := c.DeleteTokenID(ctx, id)
	if err != nil {
		return needsNewer(err)
	}
	p.noteSilent(revoked.Nodes)
	return nil
}

func takesNoArguments(cmd *cli.Command) error {
	if cmd.Args().Present() {
		return usagef("%s takes only flags, and %q is not a flag", cmd.FullName(), cmd.Args().First())
	}
	return nil
}
