package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/client"
)

func newTokenCommand(p *program) *cli.Command {
	own := append([]cli.Flag{
		&cli.StringFlag{Name: "user", Usage: "the user's `NAME`, which other clients see"},
		&cli.StringFlag{Name: "label", Usage: "a `TEXT` for people"},
		&cli.StringFlag{Name: "info", Usage: "the user's info, a `JSON` value that other clients see in presence"},
		&cli.BoolFlag{Name: "json", Usage: "print everything about the token"},
	}, append(rulesFlags(), expiryFlags()...)...)
	return &cli.Command{
		Name:  "new",
		Usage: "make a token and print it",
		Description: "Without flags it prints a token like those of Boreas 1: it allows everything, has no\n" +
			"user's name, and is valid until it is deleted.\n\n" +
			"With --user, rules, info, an expiry or a label it makes a token of which the server stores only a\n" +
			"hash. It allows each action that a rule allows and no rule denies; without rules, everything.\n" +
			"The verbs are join, publish, history and presence; {user} in a pattern is the user's name.\n\n" +
			"Examples:\n" +
			"  boreas token new > my-token\n" +
			"  boreas token new --user=u1 --ttl=24h --allow='join,history:chat.*' --allow='join:user.{user}'\n" +
			"  boreas token new --user=u1 --allow='join:**' --deny='join:admin.**' --json\n" +
			"  boreas token new --rules='[{\"channels\":[\"news\"],\"allow\":[\"join\"]}]'",
		Flags: append([]cli.Flag{apiFlag(), keyFileFlag()}, own...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := takesNoArguments(cmd); err != nil {
				return err
			}
			for _, f := range own {
				if f.IsSet() {
					return p.newToken(ctx, cmd)
				}
			}
			return p.newClassicToken(ctx, cmd)
		},
	}
}

func (p *program) newClassicToken(ctx context.Context, cmd *cli.Command) error {
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
}

func (p *program) newToken(ctx context.Context, cmd *cli.Command) error {
	r := client.NewTokenRequest{User: cmd.String("user"), Label: cmd.String("label")}
	if cmd.IsSet("user") && r.User == "" {
		return usagef("--user must not be empty")
	}
	var err error
	if r.TTL, r.Expires, err = expiryOf(cmd); err != nil {
		return err
	}
	if r.Rules, err = rulesOf(cmd); err != nil {
		return err
	}
	if cmd.IsSet("info") {
		info, err := boreas.NewInfo([]byte(cmd.String("info")))
		switch {
		case err != nil && json.Valid([]byte(cmd.String("info"))):
			return usagef("--info: it has more than %d bytes", boreas.MaxInfo)
		case err != nil || info == "":
			return usagef(`--info: %.60q is not JSON that can be shown: give an object, as in --info='{"name":"Ann"}'`, cmd.String("info"))
		}
		r.Info = json.RawMessage(info)
	}
	c, err := p.apiClient(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	made, err := c.CreateToken(ctx, r)
	if err != nil {
		return needsNewer(err)
	}
	if cmd.Bool("json") {
		return p.printJSON(made)
	}
	if _, err = fmt.Fprintln(p.stdout, made.Token); err != nil {
		return err
	}
	for _, warning := range made.Warnings {
		p.note("warning: %s", printable(warning))
	}
	may := "allows everything"
	if made.Rules != nil {
		may = "allows what its rules say"
	}
	p.note("%s %s, until %s; the token is shown only now", made.ID, may, shownTime(made.Expires, "it is deleted"))
	return nil
}
