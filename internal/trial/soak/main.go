// Command soak runs one trial after another and prints the oracle's findings. See docs/testing.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/trial"
	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
)

const (
	// shown is how many findings of a round are printed.
	shown = 20

	// After the second round, memory may grow by memoryGrowth percent, and the number of goroutines
	// by goroutineGrowth.
	memoryGrowth    = 50
	goroutineGrowth = 20
)

func main() {
	trial.ServeChild()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1) //nolint:gocritic // stop is not needed any more
	}
}

// options are the options of the command line.
type options struct {
	seed         uint64
	limit, round time.Duration
	client       oracle.Plant
	server       oracle.Plant
	disk         bool
	cluster      bool
	clocks       bool
	scripts      bool
	notes        bool
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of the first round; each later round uses the next number")
	flags.DurationVar(&o.limit, "for", time.Minute, "start no round after this time")
	flags.DurationVar(&o.round, "round", trial.DefaultDuration, "how long a round publishes")
	flags.BoolVar(&o.notes, "notes", false, "print the events of each trial")
	flags.BoolVar(&o.disk, "disk", false, "keep the messages on disk, in a server that is killed now and then")
	flags.BoolVar(&o.cluster, "cluster", false, "run three servers that keep their messages on three NATS servers, all of which fail now and then")
	flags.BoolVar(&o.clocks, "clocks", false, "with -cluster, let the clocks of two servers be wrong by an hour")
	flags.BoolVar(&o.scripts, "scripts", true, "also run the clients in JavaScript and Python; needs node and python3; run it in the root of the repository")
	plant := func(to *oracle.Plant) func(string) error {
		return func(s string) (err error) {
			*to, err = oracle.ParsePlant(s)
			return err
		}
	}
	flags.Func("plant", "plant a mistake in what a client reports: drop, repeat, swap, shift or gap", plant(&o.client))
	flags.Func("server-plant", "plant a mistake in what the engine does: drop, repeat, swap, shift, gap or ack", plant(&o.server))
	return o, flags.Parse(args)
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "soak: seed %d\n", o.seed)
	var total trial.Report
	var watch watch
	end := time.Now().Add(o.limit)
	for i := uint64(0); i == 0 || time.Now().Before(end); i++ {
		report, err := trial.Run(ctx, o.trial(o.seed+i, out))
		if err != nil {
			return fmt.Errorf("round with seed %d: %w", o.seed+i, err)
		}
		fmt.Fprintf(out, "soak: seed %d: %v\n", o.seed+i, report.Verdict)
		for n, f := range report.Findings {
			if n == shown {
				fmt.Fprintf(out, "  and %d more\n", len(report.Findings)-n)
				break
			}
			fmt.Fprintf(out, "  %v\n", f)
		}
		total.Add(report)
		if err := watch.look(); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "failures: %v\ngaps: %v; %d of them with nothing in it\ndeliveries to: %v\n%v\n",
		total.Counts, total.Gaps, total.Needless, total.To, total.Verdict)
	if n := len(total.Findings); n > 0 {
		return fmt.Errorf("%d unexplained; repeat a round with -seed=N -for=0s -notes", n)
	}
	return nil
}

// trial returns the options of the round with the seed.
func (o options) trial(seed uint64, out io.Writer) trial.Options {
	t := trial.Options{Seed: seed, Duration: o.round, Disk: o.disk, Cluster: o.cluster, Clocks: o.clocks, Plant: o.client, ServerPlant: o.server}
	if o.scripts {
		t.Scripts = trial.Scripts(".")
	}
	if o.notes {
		t.Note = func(text string) { fmt.Fprintln(out, time.Now().Format("15:04:05.000"), text) }
	}
	return t
}

// A watch checks that a round leaves no memory and no goroutines behind.
type watch struct {
	rounds     int
	memory     uint64
	goroutines int
}

func (w *watch) look() error {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	goroutines := runtime.NumGoroutine()
	switch w.rounds++; {
	case w.rounds == 2:
		w.memory, w.goroutines = stats.HeapAlloc, goroutines
	case w.rounds > 2 && stats.HeapAlloc > w.memory+w.memory*memoryGrowth/100+8<<20:
		return fmt.Errorf("memory grew from %d to %d bytes", w.memory, stats.HeapAlloc)
	case w.rounds > 2 && goroutines > w.goroutines+goroutineGrowth:
		return fmt.Errorf("goroutines grew from %d to %d", w.goroutines, goroutines)
	}
	return nil
}
