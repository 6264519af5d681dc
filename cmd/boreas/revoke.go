package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/client"
)

func revokeCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "revoke",
		Usage: "revoke tokens and end their sessions",
		Description: "When the command returns, the tokens are no longer valid. Their live sessions have ended, or\n" +
			"will end after the grace period. Prints their number as {\"sessions\": ...}. In a cluster, it also\n" +
			"says how many nodes answered and which did not.\n\n" +
			"Examples:\n" +
			"  boreas revoke --user=u1\n" +
			"  boreas revoke --token-id=tok_2nJ5uWqYk0Rb8xZc\n" +
			"  boreas revoke --token-file=- < the-token\n" +
			"  boreas revoke --key=key_2nJ5uWqYk0Rb8xZc              the key, and the tokens that it made\n" +
			"  boreas revoke --issued-before=2026-11-25T12:00:00Z --grace=30s",
		Flags: []cli.Flag{
			apiFlag(), keyFileFlag(),
			tokenFileFlag("revoke the token in `FILE`; - is standard input"),
			&cli.StringFlag{Name: "token-id", Usage: "revoke the token with this `ID`"},
			&cli.StringFlag{Name: "user", Usage: "revoke all tokens of the user with this `NAME` that were issued until now"},
			&cli.StringFlag{Name: "key", Usage: "revoke the API key with this `ID` and the tokens that it made; or all JWTs signed with the key of this kid"},
			&cli.StringFlag{Name: "issued-before", Usage: "revoke all tokens that were issued until this `TIME`; with --user, those of the user"},
			durationFlag("grace", "how long live sessions have to send another token, a `TIME` up to 1h", 0),
			&cli.StringFlag{Name: "until", Usage: "when the server may forget the revocation, a `TIME` after the expiry of all its tokens"},
		},
		Action: p.revoke,
	}
}

func (p *program) revoke(ctx context.Context, cmd *cli.Command) error {
	r, err := p.revocation(cmd)
	if err != nil {
		return err
	}
	c, err := p.apiClient(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	revoked, err := c.Revoke(ctx, r)
	if err != nil {
		return needsNewer(err)
	}
	p.noteSilent(revoked.Nodes)
	return json.NewEncoder(p.stdout).Encode(revoked)
}

// noteSilent names the nodes of a cluster that did not answer.
func (p *program) noteSilent(n *client.Nodes) {
	if n != nil && len(n.Silent) > 0 {
		p.note("nodes that did not answer: %s; they end their sessions when they read the revocation, and the result does not count them", printable(strings.Join(n.Silent, ", ")))
	}
}

// revocation returns the revocation for the flags. It refuses flags that probably do not express
// the user's intention.
func (p *program) revocation(cmd *cli.Command) (r client.Revocation, err error) {
	if cmd.Args().Present() {
		// Do not repeat the argument: it may be a token.
		return r, usagef("%s takes only flags: see `%s --help`", cmd.FullName(), cmd.FullName())
	}
	given := 0
	for _, name := range []string{"token-file", "token-id", "user", "key"} {
		if cmd.IsSet(name) {
			given++
			if cmd.String(name) == "" {
				return r, usagef("--%s must not be empty", name)
			}
		}
	}
	alone := given == 0 && cmd.IsSet("issued-before")
	switch {
	case given != 1 && !alone:
		return r, usagef("say what to revoke: one of --token-file, --token-id, --user, --key; or --issued-before, alone or with --user")
	case cmd.IsSet("issued-before") && !alone && !cmd.IsSet("user"):
		return r, usagef("--issued-before can be alone or with --user")
	case durationOf(cmd, "grace") < 0 || durationOf(cmd, "grace") > time.Hour:
		return r, usagef("--grace must be from 0s to 1h")
	}
	for _, name := range []string{"token-id", "key"} {
		if isSecret(cmd.String(name)) {
			return r, usagef("--%s takes an ID, but this is the secret itself, and others can see it now; for a token, use --token-file", name)
		}
	}
	r = client.Revocation{Token: cmd.String("token-id"), User: cmd.String("user"), Key: cmd.String("key"), Grace: durationOf(cmd, "grace")}
	if r.IssuedBefore, err = timeFlag(cmd, "issued-before"); err != nil {
		return r, err
	}
	if r.Until, err = timeFlag(cmd, "until"); err != nil {
		return r, err
	}
	if cmd.IsSet("token-file") {
		r.Token, err = p.tokenFile(cmd.String("token-file"))
	}
	return r, err
}
