package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/client"
)

func traceCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "trace",
		Usage:     "show whether a message arrived, and who has it",
		ArgsUsage: "CHANNEL POSITION",
		Description: "Prints when a message was published and by whom, how many subscribers have it, and\n" +
			"which do not. The position comes with the publish, with the message and with the history.\n" +
			"In a cluster, it asks all nodes. It needs a key with the verb sessions; with the verb\n" +
			"view, it leaves out the message itself. The publisher is known only if somebody watched\n" +
			"with boreas tail when the message was published.\n\n" +
			"Examples:\n" +
			"  boreas trace news 1f3k9x2a-2\n" +
			"  boreas trace --json news 1f3k9x2a-2",
		Flags: []cli.Flag{
			apiFlag(), keyFileFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: p.trace,
	}
}

func (p *program) trace(ctx context.Context, cmd *cli.Command) error {
	channel, position := cmd.Args().Get(0), cmd.Args().Get(1)
	if cmd.Args().Len() != 2 || channel == "" || position == "" {
		return usagef("give two arguments: %s CHANNEL POSITION", cmd.FullName())
	}
	c, err := p.apiClient(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	found, err := c.Trace(ctx, channel, position)
	if err != nil {
		return needsNewer(err)
	}
	if cmd.Bool("json") {
		return p.printJSON(found)
	}
	return printTrace(p.stdout, &found)
}

// printTrace prints the answer as text. Some of it was chosen by clients.
func printTrace(w io.Writer, t *client.Trace) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%q %s: published at %s%s, %s\n", t.Channel, printable(t.Position), t.Time.UTC().Format("2006-01-02T15:04:05.000Z"), publishedBy(t.By), byteCount(t.Size))
	if t.Message != nil {
		fmt.Fprintf(&b, "  %s\n", printable(string(t.Message)))
	}
	if t.Traceparent != "" {
		fmt.Fprintf(&b, "traceparent %s\n", printable(t.Traceparent))
	}
	fmt.Fprintf(&b, "%d of %d subscribers have it\n", t.Delivered, t.Subscribers)
	if len(t.Behind) > 0 {
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "SESSION\tUSER\tBEHIND\tBLOCKED")
		for _, s := range t.Behind {
			blocked := "-"
			if s.BlockedMS > 0 {
				blocked = (time.Duration(s.BlockedMS) * time.Millisecond).String()
			}
			fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", printable(s.Session), printable(cmp.Or(s.User, "-")), s.Behind, blocked)
		}
		table.Flush() //nolint:errcheck // the writer is in memory
	}
	if missing := t.Subscribers - t.Delivered - len(t.Behind); missing > 0 {
		fmt.Fprintf(&b, "and %d more\n", missing)
	}
	if t.Nodes != nil && len(t.Nodes.Silent) > 0 {
		fmt.Fprintf(&b, "nodes that did not answer, so their subscribers do not count: %s\n", printable(strings.Join(t.Nodes.Silent, ", ")))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// publishedBy returns the publisher as a part of a sentence, or "" if it is unknown.
func publishedBy(p *client.Publisher) string {
	if p == nil {
		return ""
	}
	key := p.Key
	if p.Name != "" {
		key = p.Name + " (" + p.Key + ")"
	}
	return detail(" by key ", key) + detail(" by user ", p.User) + detail(", token ", p.Token) + detail(", session ", p.Session) + detail(", at node ", p.Node)
}

func byteCount(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}
