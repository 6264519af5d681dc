package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/client"
)

// tailPause is the time before another attempt to watch, after the connection was lost.
const tailPause = time.Second

func tailCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "tail",
		Usage:     "watch what happens: messages, sessions, refusals, gaps",
		ArgsUsage: "[PATTERN]",
		Description: "Prints what happens on the server, one line for each event, until you stop it. With a\n" +
			"pattern of channels, only what concerns these. In a cluster, it shows the events of all\n" +
			"nodes. It needs a key with the verb sessions; with the verb view, it leaves out the\n" +
			"messages themselves. A key that is limited to channels shows only the events of these.\n\n" +
			"Examples:\n" +
			"  boreas tail\n" +
			"  boreas tail 'chat.*' --event message,gap\n" +
			"  boreas tail --user u1 --json",
		Flags: []cli.Flag{
			apiFlag(), keyFileFlag(),
			&cli.StringFlag{Name: "event", Usage: "only these `EVENTS`, with commas: message, opened, authenticated, ended, refused, gap, presence"},
			&cli.StringFlag{Name: "user", Usage: "only events about this `USER`"},
			&cli.StringFlag{Name: "session", Usage: "only events about this `SESSION`"},
			&cli.BoolFlag{Name: "no-payload", Usage: "leave out the messages themselves"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: p.tail,
	}
}

func (p *program) tail(ctx context.Context, cmd *cli.Command) error {
	if cmd.Args().Len() > 1 {
		return usagef("give one pattern, in quotes: %s 'chat.*'", cmd.FullName())
	}
	c, err := p.apiClient(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := interruptible(ctx)
	defer stop()
	o := client.TailOptions{Channel: cmd.Args().First(), User: cmd.String("user"), Session: cmd.String("session"), NoPayload: cmd.Bool("no-payload")}
	if names := cmd.String("event"); names != "" {
		o.Events = strings.Split(names, ",")
	}
	print := printTail
	if cmd.Bool("json") {
		print = func(w io.Writer, e *client.TailEvent) error {
			out := json.NewEncoder(w)
			out.SetEscapeHTML(false)
			return out.Encode(e)
		}
	}
	for first := true; ; first = false {
		began := false
		var failed error
		for e, err := range c.Tail(ctx, o) {
			if err != nil {
				failed = err
				break
			}
			began = true
			if err := print(p.stdout, &e); err != nil {
				return fmt.Errorf("print an event: %w", err)
			}
			if e.Event == "end" {
				return fmt.Errorf("the server has ended the stream: %s", e.Text())
			}
		}
		if ctx.Err() != nil {
			return nil // interrupted, as intended
		}
		var refusal *client.Error
		if errors.As(failed, &refusal) || first && !began {
			return needsNewer(failed)
		}
		fmt.Fprintf(p.stderr, "boreas: %v; trying again\n", failed)
		select {
		case <-time.After(tailPause):
		case <-ctx.Done():
			return nil
		}
	}
}

// printTail prints an event as a line. Some of its texts were chosen by clients.
func printTail(w io.Writer, e *client.TailEvent) error {
	if e.Event == "hello" {
		return nil
	}
	var b strings.Builder
	at := e.Time
	if at.IsZero() {
		at = time.Now()
	}
	fmt.Fprintf(&b, "%s %-13s", at.Local().Format("15:04:05.000"), printable(e.Event))
	word := func(before, text string) {
		if text != "" {
			b.WriteString(" " + before + printable(text))
		}
	}
	word("", e.Channel)
	word("", e.Position)
	word("", e.Action+e.Reason)
	word("", e.Code)
	if e.From != "" {
		b.WriteString(" " + e.From + " to " + e.To)
	}
	word("", e.Verb)
	switch {
	case e.Event == "missed":
		fmt.Fprintf(&b, " %d events were left out, because this reader was slow", e.Count)
	case e.Event == "nodes":
		fmt.Fprintf(&b, " %d answer", e.Answered)
		word("silent: ", strings.Join(e.Silent, ", "))
	case e.Event == "message" && e.Message == nil:
		fmt.Fprintf(&b, " %d bytes", e.Size)
	case e.Event == "message":
		word("", string(e.Message))
	default:
		word("", e.Text())
	}
	for _, detail := range [...][2]string{
		{"user=", e.User}, {"session=", e.Session}, {"key=", e.Key}, {"token=", e.Token}, {"traceparent=", e.Traceparent}, {"from=", e.Address}, {"over=", e.Transport}, {"node=", e.Node},
	} {
		word(detail[0], detail[1])
	}
	_, err := io.WriteString(w, b.String()+"\n")
	return err
}
