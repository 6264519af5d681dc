package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/client"
)

// checkTimeout bounds asking the API whether a token was taken.
const checkTimeout = 3 * time.Second

func subscribeCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "subscribe",
		Usage:     "print the messages of channels, one JSON object a line",
		ArgsUsage: "CHANNEL...",
		Description: "Prints {\"channel\": ..., \"message\": ...} for each message, until it is interrupted.\n" +
			"What becomes of the connection is told on standard error: it is made again when it is\n" +
			"lost, and then messages may have been missed.\n\n" +
			"The token comes from --token-file (- is standard input) or the environment variable\n" +
			envToken + ". Without either, a new one is made at the API, and deleted at the end.\n\n" +
			"Examples:\n" +
			"  boreas subscribe news weather\n" +
			"  boreas subscribe --count=1 --time news\n" +
			"  boreas subscribe --ws=wss://push.example.com/ --token-file=my-token news | jq .message",
		Flags: []cli.Flag{
			apiFlag(), wsFlag(),
			tokenFileFlag("read the token from `FILE`"),
			&cli.IntFlag{Name: "count", Usage: "end after `N` messages"},
			&cli.BoolFlag{Name: "time", Usage: "add when each message was received"},
			&cli.BoolFlag{Name: "quiet", Usage: "tell nothing on standard error but failures and gaps"},
		},
		Action: p.subscribe,
	}
}

func (p *program) subscribe(ctx context.Context, cmd *cli.Command) error {
	if !cmd.Args().Present() {
		return usagef("give at least one channel: %s CHANNEL...", cmd.FullName())
	}
	if cmd.IsSet("count") && cmd.Int("count") < 1 {
		return usagef("--count must be at least 1")
	}
	api, err := p.apiClient(cmd)
	if err != nil {
		return err
	}
	defer api.Close()
	ctx, stop := interruptible(ctx)
	defer stop()

	v := &viewer{p: p, api: api, count: cmd.Int("count"), stamp: cmd.Bool("time"), quiet: cmd.Bool("quiet"), channels: cmd.Args().Slice()}
	if v.token, err = p.givenToken(cmd); err != nil {
		return err
	}
	v.own = v.token == ""
	s, err := client.NewSubscriber(client.SubscriberOptions{
		URL: p.wsURL(cmd), TokenFunc: v.obtainToken, Channels: v.channels, OnState: func(s client.State) { v.tell(ctx, s) },
	})
	if err != nil {
		return usageError{err}
	}
	defer v.deleteToken(context.WithoutCancel(ctx))
	return v.print(ctx, s)
}

// givenToken returns the user's token, or "" if there is none.
func (p *program) givenToken(cmd *cli.Command) (string, error) {
	if cmd.IsSet("token-file") {
		return p.tokenFile(cmd.String("token-file"))
	}
	return p.getenv(envToken), nil
}

// A viewer prints what a subscriber gets. It belongs to one goroutine.
type viewer struct {
	p        *program
	api      *client.Client
	channels []string
	count    int // messages to print; 0 for no end
	stamp    bool
	quiet    bool

	token   string
	own     bool // the token was made by us, so it is ours to delete
	checked bool
}

// A line is what is printed for a message.
type line struct {
	Channel string          `json:"channel"`
	Message json.RawMessage `json:"message"`
	Time    string          `json:"time,omitempty"`
}

func (v *viewer) print(ctx context.Context, s *client.Subscriber) error {
	out := json.NewEncoder(v.p.stdout)
	out.SetEscapeHTML(false)
	printed := 0
	for m, err := range s.Messages(ctx) {
		switch {
		case errors.Is(err, client.ErrMayHaveMissed):
			v.p.note("%v", err)
			continue
		case err != nil && ctx.Err() != nil:
			return nil // interrupted: the way to end
		case err != nil:
			return err
		}
		l := line{Channel: m.Channel, Message: m.Data}
		if v.stamp {
			l.Time = time.Now().UTC().Format(time.RFC3339Nano)
		}
		if err := out.Encode(l); err != nil {
			return fmt.Errorf("print a message: %w", err)
		}
		if printed++; printed == v.count {
			return nil
		}
	}
	return nil
}

// obtainToken returns the user's token or makes one. One of our own is made anew
// for each connection, as a server that was started again no longer knows it.
func (v *viewer) obtainToken(ctx context.Context) (string, error) {
	if !v.own {
		return v.token, nil
	}
	v.deleteToken(ctx)
	token, err := v.api.NewToken(ctx)
	if err != nil {
		return "", fmt.Errorf("%w; give a token with --token-file or %s if the API cannot be reached", err, envToken)
	}
	v.say("no token given: made one at the API")
	v.token = token
	return token, nil
}

// deleteToken deletes a token of our own; it was of use to this process only.
func (v *viewer) deleteToken(ctx context.Context) {
	if !v.own || v.token == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	// If it fails the server is gone, and with it the token.
	_ = v.api.DeleteToken(ctx, v.token)
	v.token = ""
}

// tell reports a change of the connection.
func (v *viewer) tell(ctx context.Context, s client.State) {
	switch s.Kind {
	case client.Connected:
		v.say("connected, listening to %q", v.channels)
		v.check(ctx)
	case client.Disconnected:
		v.p.note("%v; trying again in %v", s.Err, s.RetryIn.Round(time.Millisecond))
	case client.Connecting:
		if s.Attempt == 1 {
			v.say("connecting")
		}
	}
}

// check warns of a token that the server did not take, which the classic wire
// would never tell. It can only be seen if the API can be reached.
func (v *viewer) check(ctx context.Context) {
	if v.own || v.token == "" || v.checked {
		return
	}
	v.checked = true
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	tokens, err := v.api.ActiveTokens(ctx, v.channels[0])
	if err != nil || slices.Contains(tokens, v.token) {
		return
	}
	v.p.note("warning: the server does not list this token on %q: it is not a valid one, and no message will come "+
		"(or the server asks for no tokens, or --api is not the same server)", v.channels[0])
}

// say tells something on standard error unless --quiet was given.
func (v *viewer) say(format string, args ...any) {
	if !v.quiet {
		v.p.note(format, args...)
	}
}

// note writes a line on standard error.
func (p *program) note(format string, args ...any) {
	fmt.Fprintf(p.stderr, "boreas: "+format+"\n", args...)
}
