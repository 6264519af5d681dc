package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/client"
)

func inspectTokenCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "show what a token allows, and by which rule",
		ArgsUsage: "TOKEN|-",
		Description: "Asks the server about a token of any kind: its own, a JWT, or one that the backend checks.\n" +
			"With - it reads the token from standard input.\n" +
			"Exits with 1 if the token is not valid, or does not allow an action of --can.\n\n" +
			"With --local it checks a JWT without a server, with the server's options: flags, environment\n" +
			"and file as `boreas serve` reads them. Only the server knows which tokens are revoked.\n\n" +
			"Examples:\n" +
			"  boreas token inspect - < my-token\n" +
			"  boreas token inspect --can='join chat.1' --can='publish chat.1' - < my-token\n" +
			"  boreas token inspect --local --jwt-keys=file:public.pem - < my-jwt",
		Flags: append([]cli.Flag{
			apiFlag(), keyFileFlag(),
			tokenFileFlag("read the token from `FILE`"),
			textsFlag("can", "ask whether the token allows `'VERB CHANNEL'`; can be repeated"),
			&cli.BoolFlag{Name: "json", Usage: "print the answer as JSON"},
			&cli.BoolFlag{Name: "local", Usage: "check a JWT without a server, with the server's options"},
		}, localFlags()...),
		Action: p.inspectToken,
	}
}

func (p *program) inspectToken(ctx context.Context, cmd *cli.Command) error {
	asks, err := asksOf(cmd)
	if err != nil {
		return err
	}
	token, err := p.inspected(cmd)
	if err != nil {
		return err
	}
	inspect := p.inspectRemotely
	if cmd.Bool("local") {
		inspect = p.inspectLocally
	}
	found, err := inspect(ctx, cmd, token, asks)
	if err != nil {
		return err
	}
	if cmd.Bool("json") {
		err = p.printJSON(found)
	} else {
		err = p.printInspection(&found)
	}
	if err != nil {
		return err
	}
	if !found.Valid {
		return errors.New("the token is not valid")
	}
	for _, v := range found.Can {
		if !v.Allowed {
			return errors.New("the token does not allow every action of --can")
		}
	}
	return nil
}

func (p *program) inspectRemotely(ctx context.Context, cmd *cli.Command, token string, asks []client.Ask) (client.Inspection, error) {
	for _, f := range localFlags() {
		if cmd.IsSet(f.Names()[0]) {
			return client.Inspection{}, usagef("--%s needs --local", f.Names()[0])
		}
	}
	c, err := p.apiClient(cmd)
	if err != nil {
		return client.Inspection{}, err
	}
	defer c.Close()
	found, err := c.InspectToken(ctx, token, asks...)
	return found, needsNewer(err)
}

// asksOf parses the values of --can.
func asksOf(cmd *cli.Command) ([]client.Ask, error) {
	var asks []client.Ask
	for _, text := range textsOf(cmd, "can") {
		verb, channel, found := strings.Cut(text, " ")
		if !found || verb == "" || channel == "" {
			return nil, usagef("--can=%s: give it as 'VERB CHANNEL', as in 'join chat.1'", text)
		}
		asks = append(asks, client.Ask{Verb: verb, Channel: channel})
	}
	return asks, nil
}

// inspected returns the token to inspect. Unlike other commands it accepts a token as an argument,
// because the token may be useless already. It warns the user that others can see arguments.
func (p *program) inspected(cmd *cli.Command) (string, error) {
	switch {
	case cmd.Args().Len() > 1 || cmd.Args().Present() == cmd.IsSet("token-file"):
		return "", usagef("give one token: %s -, which reads standard input, or --token-file", cmd.FullName())
	case cmd.IsSet("token-file"):
		return p.tokenFile(cmd.String("token-file"))
	case cmd.Args().First() == "-":
		return p.tokenFile("-")
	}
	p.note("every user of this machine can see arguments, and shells store them: give the token on standard input instead, with -")
	return cmd.Args().First(), nil
}

// printInspection prints an inspection as text.
func (p *program) printInspection(i *client.Inspection) error {
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	if !i.Valid {
		row("valid", "no")
		if i.Error != nil {
			row("why", "%s (%s)", printable(i.Error.Message), i.Error.Code)
			if do := whatToDo(i.Error.Code); do != "" {
				row("to do", "%s", do)
			}
		}
		return t.Flush()
	}
	row("valid", "yes, until %s", shownTime(i.Expires, "it is deleted or revoked"))
	row("kind", "%s", i.Kind)
	row("ID", "%s", i.ID)
	for _, r := range []struct{ name, value string }{{"user", i.User}, {"issued", shownTime(i.Issued, "")}, {"key", i.Key}} {
		if r.value != "" {
			row(r.name, "%s", printable(r.value))
		}
	}
	switch list, err := permissions(i.Rules); {
	case i.Rules == nil:
		row("rules", "none: the token allows everything")
	case len(i.Rules) == 0:
		row("rules", "an empty list: the token allows nothing")
	case err != nil: // the server is newer than this program
		row("rules", "%d, which this version cannot read; --json shows them", len(i.Rules))
	default:
		for _, rule := range list {
			row(fmt.Sprintf("rule %d", rule.Rule), "%v", rule)
		}
	}
	for _, v := range i.Can {
		answer := "no"
		if v.Allowed {
			answer = "yes"
		}
		row(fmt.Sprintf("%s %q", v.Verb, v.Channel), "%s: %s", answer, printable(v.By))
	}
	for _, warning := range i.Warnings {
		row("warning", "%s", printable(warning))
	}
	return t.Flush()
}
