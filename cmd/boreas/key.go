package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/client"
)

func keyCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "key",
		Usage:     "make, list and revoke keys of the API",
		ArgsUsage: "new|list|revoke",
		Description: "A backend uses the API with a key. From the first key on, the API requires a key: give it in\n" +
			"environment variable " + envKey + ", or with --key-file. Keys are secrets.\n\n" +
			"A server that is not on loopback needs a key before it starts. With --data-dir you make\n" +
			"the first one without a server; do that as the user that the server runs as.\n\n" +
			"Examples:\n" +
			"  boreas key new --data-dir=/var/lib/boreas --verbs=admin admin > admin.key\n" +
			"  boreas key new --key-file=admin.key --verbs=publish --channels='chat.*' chat > chat.key\n" +
			"  boreas key list --key-file=admin.key\n" +
			"  boreas key revoke --key-file=admin.key key_2nJ5uWqYk0Rb8xZc",
		Commands: []*cli.Command{newKeyCommand(p), listKeysCommand(p), revokeKeyCommand(p)},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return unknownCommand(cmd, cmd.Args().First())
			}
			return usagef("say what to do: boreas key new, list or revoke")
		},
	}
}

// keyFlags returns the flags that all key commands have.
func keyFlags() []cli.Flag {
	return []cli.Flag{
		apiFlag(), keyFileFlag(),
		&cli.StringFlag{Name: "data-dir", TakesFile: true, Usage: "use the files in `DIR` of a stopped server, instead of the API"},
	}
}

// A keyring stores API keys: a server, or the files of a server that does not run.
type keyring interface {
	CreateKey(context.Context, client.NewKeyRequest) (client.CreatedKey, error)
	Keys(context.Context) ([]client.KeyInfo, error)
	DeleteKey(ctx context.Context, id string) (client.Revoked, error)
	Close()
}

// keyring returns the keyring that the flags name. If makes is set, its directory may be missing.
func (p *program) keyring(cmd *cli.Command, makes bool) (keyring, error) {
	if !cmd.IsSet("data-dir") {
		c, err := p.apiClient(cmd)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	if cmd.IsSet("api") {
		return nil, usagef("give --api or --data-dir, not both")
	}
	return p.openKeyFiles(cmd.String("data-dir"), makes)
}

func newKeyCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "new",
		Usage:     "make a key and print it",
		ArgsUsage: "NAME",
		Description: "Prints a new key, valid at once. Two valid keys may have the same name, so that you can\n" +
			"replace one with the other without an interruption.\n\n" +
			"The verbs are publish, tokens (make and revoke them), sessions (list and end them, history,\n" +
			"presence), stats (counters and metrics), view (read what sessions and stats read, without\n" +
			"messages) and admin (everything, including keys).",
		Flags: append(keyFlags(), append([]cli.Flag{
			&cli.StringFlag{Name: "verbs", Usage: "the verbs that it allows, a `LIST` with commas", Value: "publish,tokens"},
			&cli.StringFlag{Name: "channels", Usage: "a `LIST` of patterns with commas; without it, all channels"},
			&cli.BoolFlag{Name: "json", Usage: "print everything about the key"},
		}, expiryFlags()...)...),
		Action: p.newKey,
	}
}

func (p *program) newKey(ctx context.Context, cmd *cli.Command) error {
	if cmd.Args().Len() != 1 || cmd.Args().First() == "" {
		return usagef("give the key a name: %s NAME", cmd.FullName())
	}
	r := client.NewKeyRequest{Name: cmd.Args().First(), Verbs: words(cmd.String("verbs")), Channels: words(cmd.String("channels"))}
	switch {
	case len(r.Verbs) == 0:
		return usagef("--verbs is empty: a key needs at least one")
	case cmd.IsSet("channels") && len(r.Channels) == 0:
		return usagef("--channels is empty: omit it to allow all channels")
	}
	var err error
	if r.TTL, r.Expires, err = expiryOf(cmd); err != nil {
		return err
	}
	keys, err := p.keyring(cmd, true)
	if err != nil {
		return err
	}
	defer keys.Close()
	made, err := keys.CreateKey(ctx, r)
	if err != nil {
		return needsNewer(err)
	}
	if cmd.Bool("json") {
		return p.printJSON(made)
	}
	if _, err := fmt.Fprintln(p.stdout, made.Key); err != nil {
		return err
	}
	p.note("%s (%s) allows %s on %s, until %s; the key is shown only now", made.ID, printable(made.Name),
		strings.Join(made.Verbs, ", "), cmp.Or(strings.Join(made.Channels, ", "), "all channels"), shownTime(made.Expires, "it is revoked"))
	if key, err := p.apiKey(cmd); err == nil && key == "" && !cmd.IsSet("data-dir") && !slices.Contains(made.Verbs, "admin") {
		p.note("from now on the API requires a key, and this one cannot make others. `boreas key new --data-dir` makes keys while the server is stopped. " +
			"A server without data_dir forgets all keys when it ends")
	}
	return nil
}

func listKeysCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "print the keys, without their texts",
		Flags: append(keyFlags(), &cli.BoolFlag{Name: "json", Usage: "print JSON"}),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := takesNoArguments(cmd); err != nil {
				return err
			}
			keys, err := p.keyring(cmd, false)
			if err != nil {
				return err
			}
			defer keys.Close()
			list, err := keys.Keys(ctx)
			if err != nil {
				return needsNewer(err)
			}
			if cmd.Bool("json") {
				return p.printJSON(map[string]any{"keys": list})
			}
			t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "ID\tNAME\tVERBS\tCHANNELS\tMADE\tENDS\tLAST USED")
			for _, k := range list {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, printable(k.Name), strings.Join(k.Verbs, ","),
					cmp.Or(printable(strings.Join(k.Channels, ",")), "all"), shownTime(k.Created, "-"), shownTime(k.Expires, "never"), shownTime(k.LastUsed, "never"))
			}
			return t.Flush()
		},
	}
}

func revokeKeyCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "revoke",
		Usage:       "revoke a key, and the tokens that it made",
		ArgsUsage:   "ID",
		Description: "The ID is not a secret: `boreas key list` shows it. Sessions end if the key made their token.",
		Flags:       keyFlags(),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			id := cmd.Args().First()
			switch {
			case cmd.Args().Len() != 1 || id == "":
				return usagef("give the ID of a key: %s ID", cmd.FullName())
			case isSecret(id):
				return usagef("this is the secret key itself, and others can see it now: give its ID (key_ and 16 characters), which `boreas key list` shows")
			}
			keys, err := p.keyring(cmd, false)
			if err != nil {
				return err
			}
			defer keys.Close()
			revoked, err := keys.DeleteKey(ctx, id)
			if err != nil {
				return needsNewer(err)
			}
			if revoked.Tokens > 0 || revoked.Changed > 0 {
				p.note("%s made %d tokens and changed %d others, which are revoked with it; %d sessions ended", id, revoked.Tokens, revoked.Changed, revoked.Sessions)
			}
			if len(revoked.Keys) > 0 {
				p.note("keys that %s made stay valid: %s", id, printable(strings.Join(revoked.Keys, " ")))
			}
			p.noteSilent(revoked.Nodes)
			return nil
		},
	}
}
