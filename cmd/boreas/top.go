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

const (
	// topEvery is the default pause between two looks of `boreas top`.
	topEvery = 2 * time.Second

	// topRows is the default number of channels, and of sessions.
	topRows = 10

	// clearScreen moves the cursor of a terminal to the top, and erases everything after it.
	clearScreen = "\x1b[H\x1b[J"
)

func topCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "top",
		Usage: "show the busiest channels and the slowest sessions",
		Description: "Shows the server's figures, the channels with the most messages and the sessions with the\n" +
			"most waiting messages. In a cluster the figures are of all nodes. On a terminal it refreshes them\n" +
			"in place until Ctrl-C; otherwise it prints them once, or --count times. The key needs the verb view,\n" +
			"or sessions and stats.\n\n" +
			"Examples:\n" +
			"  boreas top\n" +
			"  boreas top --count=60 --interval=1s > figures",
		Flags: []cli.Flag{
			apiFlag(), keyFileFlag(),
			durationFlag("interval", "the `TIME` between two looks, over which rates are measured", topEvery),
			&cli.IntFlag{Name: "rows", Usage: "show `N` channels and N sessions", Value: topRows},
			&cli.IntFlag{Name: "count", Usage: "print the figures `N` times; without it, once, or on a terminal until Ctrl-C"},
		},
		Action: p.top,
	}
}

func (p *program) top(ctx context.Context, cmd *cli.Command) error {
	rows, count, every := cmd.Int("rows"), cmd.Int("count"), durationOf(cmd, "interval")
	if err := takesNoArguments(cmd); err != nil {
		return err
	}
	switch {
	case rows < 1 || rows > 1000:
		return usagef("--rows must be from 1 to 1000")
	case count < 0 || cmd.IsSet("count") && count == 0:
		return usagef("--count must be at least 1")
	case every < time.Millisecond:
		return usagef("--interval must be at least 1ms")
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	c, err := p.apiClient(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	inPlace := isTerminal(p.stdout)
	if count == 0 && !inPlace {
		count = 1
	}
	before, err := look(ctx, c, rows)
	for n := 0; err == nil && (count == 0 || n < count); n++ {
		select {
		case <-ctx.Done():
			return nil // Ctrl-C is the usual end
		case <-time.After(every):
		}
		var now *figures
		if now, err = look(ctx, c, rows); err != nil {
			break
		}
		switch {
		case inPlace:
			fmt.Fprint(p.stdout, clearScreen)
		case n > 0:
			fmt.Fprintln(p.stdout)
		}
		if err := now.print(p.stdout, before); err != nil {
			return err
		}
		before = now
	}
	if ctx.Err() != nil {
		return nil
	}
	return needsNewer(err)
}

// figures are what `boreas top` has seen at one moment.
type figures struct {
	at       time.Time
	stats    client.Stats
	channels []client.ChannelInfo
	sessions []client.SessionInfo
}

func look(ctx context.Context, c *client.Client, rows int) (f *figures, err error) {
	f = &figures{at: time.Now()}
	if f.stats, err = c.Stats(ctx); err != nil {
		return nil, err
	}
	if f.channels, err = c.TopChannels(ctx, "messages", rows); err != nil {
		return nil, err
	}
	f.sessions, err = c.TopSessions(ctx, "behind", rows)
	return f, err
}

// print prints the figures, with rates since the figures before. Clients have chosen some of the
// texts.
func (f *figures) print(w io.Writer, before *figures) error {
	passed := max(f.at.Sub(before.at).Seconds(), 0.001)
	rate := func(now, then uint64) string {
		if now < then { // the server was started again
			return "-"
		}
		return figure(float64(now-then)/passed) + "/s"
	}
	s, old := f.stats, before.stats
	fmt.Fprintf(w, "sessions %d (%d blocked)   published %s   delivered %s   gaps %s   history %d messages, %.1f MiB\n",
		s.Anonymous+s.Authenticated, s.Blocked, rate(s.Publishes, old.Publishes), rate(s.Deliveries, old.Deliveries),
		rate(s.GapCount(), old.GapCount()), s.Engine.Publications, float64(s.Engine.Bytes)/(1<<20))
	if n := s.Nodes; n != nil {
		fmt.Fprintf(w, "nodes: %d answered; silent: %s\n", n.Answered, cmp.Or(printable(strings.Join(n.Silent, ", ")), "none"))
	}
	published := make(map[string]uint64)
	for _, c := range before.channels {
		published[c.Channel] = c.Published
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nCHANNEL\tSUBSCRIBERS\tMESSAGES\tRATE")
	for _, c := range f.channels {
		since := "-"
		if then, known := published[c.Channel]; known {
			since = rate(c.Published, then)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\n", printable(c.Channel), c.Subscribers, c.Published, since)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(t, "\nSESSION\tUSER\tADDRESS\tBEHIND\tBLOCKED\tSENT\tGAPS")
	for _, s := range f.sessions {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%d\t%d\n", printable(s.Session), cmp.Or(printable(s.User), "-"), cmp.Or(printable(s.Address), "-"),
			s.Behind, time.Duration(s.BlockedMS)*time.Millisecond, s.Sent, s.Gaps)
	}
	return t.Flush()
}
