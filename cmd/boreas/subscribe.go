package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/client"
)

func subscribeCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "subscribe",
		Usage:     "print the messages of channels, one JSON object per line",
		ArgsUsage: "CHANNEL...",
		Description: "Prints {\"channel\": ..., \"message\": ..., \"position\": ...} for each message, until it is\n" +
			"interrupted. It reconnects when the connection is lost, and continues where it was.\n" +
			"If messages are missing nevertheless, it prints {\"channel\": ..., \"gap\": {\"reason\": ...,\n" +
			"\"from\": ..., \"to\": ...}} in their place. It reports the state of the connection on standard\n" +
			"error.\n\n" +
			"The token comes from --token-file (- is standard input) or the environment variable\n" +
			envToken + ". Without either, it makes a token at the API, and deletes it at the end.\n\n" +
			"Examples:\n" +
			"  boreas subscribe news weather\n" +
			"  boreas subscribe --last=10 --count=10 news\n" +
			"  boreas subscribe --since=$(tail -1 news.jsonl | jq -r .position) news >> news.jsonl\n" +
			"  boreas subscribe --ws=wss://push.example.com --token-file=my-token news | jq .message",
		Flags: []cli.Flag{
			apiFlag(), keyFileFlag(), wsFlag(),
			tokenFileFlag("read the token from `FILE`"),
			&cli.StringFlag{Name: "since", Usage: "continue after the message with this `POSITION`; needs exactly one CHANNEL"},
			&cli.IntFlag{Name: "last", Usage: "print the newest `N` messages of each channel first"},
			&cli.BoolFlag{Name: "presence", Usage: "print the users on the channels, and each join and leave"},
			&cli.IntFlag{Name: "count", Usage: "exit after `N` messages"},
			&cli.BoolFlag{Name: "time", Usage: "add the time at which each message was received"},
			&cli.BoolFlag{Name: "quiet", Usage: "print only failures and gaps on standard error"},
			&cli.BoolFlag{Name: "classic", Usage: "use the wire of Boreas 1, which has no positions and gaps"},
		},
		Action: p.subscribe,
	}
}

func (p *program) subscribe(ctx context.Context, cmd *cli.Command) error {
	classic := cmd.Bool("classic")
	switch {
	case !cmd.Args().Present():
		return usagef("give at least one channel: %s CHANNEL...", cmd.FullName())
	case cmd.IsSet("count") && cmd.Int("count") < 1:
		return usagef("--count must be at least 1")
	case cmd.Int("last") < 0:
		return usagef("--last must not be negative")
	case cmd.IsSet("since") && cmd.Args().Len() > 1:
		return usagef("--since is a position of one channel: give one CHANNEL")
	case classic && (cmd.IsSet("since") || cmd.IsSet("last") || cmd.IsSet("presence")):
		return usagef("--since, --last and --presence cannot be used with --classic, because its wire has none of them")
	}
	api, err := p.apiClient(cmd)
	if err != nil {
		return err
	}
	defer api.Close()
	ctx, stop := interruptible(ctx)
	defer stop()

	v := &viewer{p: p, api: api, count: cmd.Int("count"), stamp: cmd.Bool("time"), quiet: cmd.Bool("quiet"), channels: unique(cmd.Args().Slice())}
	if v.token, err = p.givenToken(cmd); err != nil {
		return err
	}
	v.own = v.token == ""
	defer func() { v.deleteToken(context.WithoutCancel(ctx)) }()
	if classic {
		return v.subscribeClassic(ctx, p.wsURL(cmd))
	}
	return v.subscribe(ctx, p.wsURL(cmd), client.SubscribeOptions{
		Since: cmd.String("since"), Last: cmd.Int("last"), Presence: cmd.Bool("presence"),
	})
}

// unique returns the names without duplicates.
func unique(names []string) []string {
	var list []string
	seen := map[string]bool{}
	for _, name := range names {
		if !seen[name] {
			list = append(list, name)
		}
		seen[name] = true
	}
	return list
}

// givenToken returns the user's token, or "" if there is none.
func (p *program) givenToken(cmd *cli.Command) (string, error) {
	if cmd.IsSet("token-file") {
		return p.tokenFile(cmd.String("token-file"))
	}
	return p.getenv(envToken), nil
}

// A viewer prints the messages and events of channels.
type viewer struct {
	p        *program
	api      *client.Client
	channels []string
	count    int // how many messages to print; 0 means no limit
	stamp    bool
	quiet    bool
	printed  int

	token   string
	own     bool // the viewer created the token and must delete it
	checked bool
}

// A line is one line of output. Its fields are named as in the protocol.
type line struct {
	Channel  string          `json:"channel"`
	Message  json.RawMessage `json:"message,omitempty"`
	Position string          `json:"position,omitempty"`
	Gap      *client.Gap     `json:"gap,omitempty"`
	Presence any             `json:"presence,omitempty"`
	Time     string          `json:"time,omitempty"`
}

// print prints a line and reports whether it was the last message to print.
func (v *viewer) print(l line) (done bool, err error) {
	if v.stamp {
		l.Time = time.Now().UTC().Format(time.RFC3339Nano)
	}
	out := json.NewEncoder(v.p.stdout)
	out.SetEscapeHTML(false)
	if err := out.Encode(l); err != nil {
		return true, fmt.Errorf("print a message: %w", err)
	}
	if l.Message != nil {
		v.printed++
	}
	return v.printed == v.count && v.count > 0, nil
}

// subscribe prints messages and events from protocol 2.
func (v *viewer) subscribe(ctx context.Context, url string, o client.SubscribeOptions) error {
	options := client.ConnectOptions{URL: url, OnState: v.report}
	if v.own {
		options.TokenFunc = v.obtainToken
	} else {
		options.Token = v.token
	}
	c, err := client.Connect(options)
	if err != nil {
		return usageError{err}
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	// One goroutine receives from each channel, and this goroutine prints.
	type told struct {
		event client.Event
		err   error
	}
	events := make(chan told)
	joined := make(chan error, len(v.channels))
	for _, channel := range v.channels {
		go func() {
			s, err := c.Subscribe(ctx, channel, o)
			joined <- err
			if err != nil {
				return
			}
			for event, err := range s.Events(ctx) {
				select {
				case events <- told{event, err}:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	for range v.channels {
		if err := <-joined; err != nil {
			return failure(ctx, err)
		}
	}
	v.say("connected, listening to %q", v.channels)
	for {
		var e told
		select {
		case e = <-events:
		case <-ctx.Done():
			return nil // interrupted, as intended
		}
		var gap *client.Gap
		if e.err != nil && !errors.As(e.err, &gap) {
			return failure(ctx, e.err)
		}
		if done, err := v.show(e.event, gap); done || err != nil {
			return err
		}
	}
}

// show prints an event or a gap.
func (v *viewer) show(event client.Event, gap *client.Gap) (done bool, err error) {
	if gap != nil {
		v.p.note("%v", gap)
		return v.print(line{Channel: gap.Channel, Gap: gap})
	}
	switch e := event.(type) {
	case *client.Message:
		return v.print(line{Channel: e.Channel, Message: e.Data, Position: e.Position})
	case *client.PresenceChange:
		return v.print(line{Channel: e.Channel, Presence: e})
	case *client.Joined:
		if e.Recovered {
			v.say("nothing was missed on %q", e.Channel)
		}
		if p := e.Presence; p != nil {
			return v.print(line{Channel: e.Channel, Presence: &client.PresenceChange{
				Event: "state", Users: p.Users, Sessions: p.Sessions, Members: p.Members,
			}})
		}
	}
	return false, nil
}

// failure returns the error to exit with, or nil if the user interrupted the command.
func failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return olderServer(err)
}

// olderServer adds advice to an error of a server without protocol 2.
func olderServer(err error) error {
	var refusal *client.Error
	if errors.As(err, &refusal) && refusal.Code == "" && (refusal.Status == 404 || refusal.Status == 400) {
		return fmt.Errorf("%w; if the server is a Boreas 1, give --classic", err)
	}
	return err
}

// report notes a change of the connection on standard error.
func (v *viewer) report(s client.State) {
	switch s.Kind {
	case client.Disconnected, client.Refused:
		v.p.note("%v; trying again in %v", s.Err, s.RetryIn.Round(time.Millisecond))
	case client.Connecting:
		if s.Attempt == 1 {
			v.say("connecting")
		}
	}
}

// obtainToken returns the user's token, or creates one. It creates a new one for each connection,
// because a restarted server has forgotten the old one.
func (v *viewer) obtainToken(ctx context.Context) (string, error) {
	if !v.own {
		return v.token, nil
	}
	v.deleteToken(ctx)
	token, err := v.api.NewToken(ctx)
	if err != nil {
		return "", fmt.Errorf("%w; give a token with --token-file or %s if the API cannot be reached", err, envToken)
	}
	v.say("no token given: made a token at the API")
	v.token = token
	return token, nil
}

// deleteToken deletes the token that the viewer created, because no other process uses it.
func (v *viewer) deleteToken(ctx context.Context) {
	if !v.own || v.token == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	// If this fails, the server has stopped, and the token no longer exists.
	_ = v.api.DeleteToken(ctx, v.token)
	v.token = ""
}

// say writes a note on standard error unless --quiet is set.
func (v *viewer) say(format string, args ...any) {
	if !v.quiet {
		v.p.note(format, args...)
	}
}

// note writes a line to standard error. It is safe for concurrent use.
func (p *program) note(format string, args ...any) {
	p.noting.Lock()
	defer p.noting.Unlock()
	fmt.Fprintf(p.stderr, "boreas: "+format+"\n", args...)
}
