package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/internal/load"
)

func benchCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "bench",
		Usage: "load a server and measure what it delivers",
		Description: "Connects subscribers, publishes, and prints deliveries per second, latencies and losses. It\n" +
			"numbers the messages and checks that each subscriber receives each one once and in order.\n" +
			"Exits with 1 if not. Ctrl-C ends early with the figures so far.\n\n" +
			"With --rate=0 each publisher sends its next message as soon as the last one was answered.\n" +
			"With a rate, latency counts from the time at which a message was due, even if it was sent\n" +
			"later.\n\n" +
			"The tool usually runs on the machine that it measures. It prints how much of the processors\n" +
			"it used, and warns if the tool itself was the limit. On one core it can follow some millions\n" +
			"of deliveries per second.\n\n" +
			"Examples:\n" +
			"  boreas bench\n" +
			"  boreas bench --subscribers=1000 --publishers=32 --duration=10s\n" +
			"  boreas bench --subscribers=10000 --channels=1000 --rate=500    1,000 rooms of 10\n" +
			"  boreas bench --subscribers=2000 --channels=200 --joins=20 --json",
		Flags: []cli.Flag{
			apiFlag(), keyFileFlag(), wsFlag(),
			&cli.IntFlag{Name: "subscribers", Usage: "connections that listen", Value: 100},
			&cli.IntFlag{Name: "channels", Usage: "channels with publications", Value: 1},
			&cli.IntFlag{Name: "joins", Usage: "channels that each subscriber joins", Value: 1},
			&cli.IntFlag{Name: "publishers", Usage: "connections that publish", Value: 8},
			&cli.FloatFlag{Name: "rate", Usage: "messages per second, all publishers together; 0: as fast as possible"},
			&cli.IntFlag{Name: "size", Usage: "bytes of a message, at least 61", Value: 100},
			durationFlag("duration", "for how long to publish, a `TIME`", 10*time.Second),
			&cli.IntFlag{Name: "slow", Usage: "further connections that join and then read nothing"},
			&cli.FloatFlag{Name: "connect-rate", Usage: "new connections per second; 0: as fast as possible"},
			&cli.BoolFlag{Name: "json", Usage: "print the figures as JSON"},
			&cli.BoolFlag{Name: "quiet", Usage: "show no progress (without it, only on a terminal)"},
			&cli.BoolFlag{Name: "yes-load-this-host", Usage: "load a server on another machine; make sure that you are allowed to"},
		},
		Action: p.bench,
	}
}

func (p *program) bench(ctx context.Context, cmd *cli.Command) error {
	o, err := p.benchOptions(ctx, cmd)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	report, err := load.Run(ctx, o)
	if err != nil {
		return err
	}
	if cmd.Bool("json") {
		out := json.NewEncoder(p.stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		err = out.Encode(report)
	} else {
		err = printReport(p.stdout, report)
	}
	if err != nil {
		return err
	}
	for _, w := range report.Warnings {
		p.note("warning: %s", w)
	}
	if report.Broken() {
		return errors.New("messages were lost, repeated, out of order or on the wrong channel")
	}
	return nil
}

// benchOptions returns the options of the benchmark, or an error for flags that do not fit
// together.
func (p *program) benchOptions(ctx context.Context, cmd *cli.Command) (load.Options, error) {
	if err := takesNoArguments(cmd); err != nil {
		return load.Options{}, err
	}
	key, err := p.apiKey(cmd)
	if err != nil {
		return load.Options{}, err
	}
	o := load.Options{
		API: p.apiURL(cmd), Key: key, WS: p.wsURL(cmd),
		Subscribers: cmd.Int("subscribers"), Slow: cmd.Int("slow"), Channels: cmd.Int("channels"), Joins: cmd.Int("joins"),
		Publishers: cmd.Int("publishers"), Rate: cmd.Float("rate"), Size: cmd.Int("size"), Duration: durationOf(cmd, "duration"),
		ConnectRate: cmd.Float("connect-rate"),
	}
	if err := o.Check(); err != nil {
		return o, usageError{err}
	}
	for _, text := range []string{o.API, o.WS} {
		local, err := load.OnLoopback(ctx, text)
		if err != nil {
			return o, fmt.Errorf("find the host of a URL: %w", err)
		}
		if !local && !cmd.Bool("yes-load-this-host") {
			return o, usagef("%s is not on this machine: a load can bring a server down for all its users; "+
				"if you are allowed to load it, use --yes-load-this-host", shownHost(text))
		}
	}
	if !cmd.Bool("quiet") && isTerminal(p.stderr) {
		o.Progress = p.showProgress()
	}
	return o, nil
}

// shownHost returns the scheme and the host of a URL, without the parts that may be secret.
func shownHost(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the URL"
	}
	return u.Scheme + "://" + u.Host
}

// isTerminal reports whether w is a terminal, so that a person probably reads the output.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// showProgress writes one line per second.
func (p *program) showProgress() func(load.Progress) {
	var before load.Progress
	return func(now load.Progress) {
		passed := (now.Elapsed - before.Elapsed).Seconds()
		fmt.Fprintf(p.stderr, "%4.0fs  %s: %d connected, %s published/s, %s deliveries/s\n", now.Elapsed.Seconds(), now.Phase, now.Connected,
			figure(float64(now.Published-before.Published)/passed), figure(float64(now.Deliveries-before.Deliveries)/passed))
		before = now
	}
}

// printReport writes the figures as a table.
func printReport(w io.Writer, r *load.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	row("subscribers", "%d, each on %d of %d channels; connected in %.1f s%s", r.Subscribers, r.Joins, r.Channels, r.ConnectSeconds, slowOnes(r.Slow))
	row("published", "%d of %d bytes in %.1f s by %d publishers: %s per second%s", r.Published, r.Size, r.Seconds, r.Publishers, figure(r.PublishRate), early(r.Interrupted))
	row("delivered", "%d: %s per second", r.Deliveries, figure(r.DeliveryRate))
	if r.Cores > 0 {
		row("this tool", "kept %.2f of %d processors busy", r.Cores, r.Processors)
	}
	fmt.Fprintf(t, "\nmilliseconds\tp50\tp90\tp99\tp99.9\tmax\n")
	for _, l := range []struct {
		name string
		p    load.Percentiles
	}{{"delivery", r.Latency}, {"answer to a publisher", r.Answers}, {"connect and join", r.Connects}} {
		row(l.name, "%.2f\t%.2f\t%.2f\t%.2f\t%.2f", l.p.P50, l.p.P90, l.p.P99, l.p.P999, l.p.Max)
	}
	fmt.Fprintln(t)
	row("lost", "%d", r.Lost)
	row("repeated", "%d", r.Repeated)
	row("out of order", "%d", r.OutOfOrder)
	row("on channels not joined", "%d", r.Stray)
	row("publishes failed", "%d", r.PublishFailed)
	row("disconnected", "%d, which missed %d messages", r.Disconnected, r.Missed)
	reasons := make([]string, 0, len(r.Reasons))
	for reason, n := range r.Reasons {
		reasons = append(reasons, fmt.Sprintf("  %d: %s\n", n, reason))
	}
	slices.Sort(reasons)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, strings.Join(reasons, ""))
	return err
}

func slowOnes(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; and %d that read nothing", n)
}

func early(interrupted bool) string {
	if interrupted {
		return " (interrupted)"
	}
	return ""
}

// figure formats a number with separators, and a small number with one decimal.
func figure(n float64) string {
	if n < 100 {
		return fmt.Sprintf("%.1f", n)
	}
	text := fmt.Sprintf("%.0f", n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
