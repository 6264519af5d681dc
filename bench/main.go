// Command bench compares Boreas with its alternatives, side by side, in one run on one machine. It
// checks every delivery while it measures. README.md describes each shape and how it is measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the options of the command line.
type options struct {
	quick      bool
	only       string
	contenders string
	repeat     int
	seconds    float64
	server     string
	tokens     int
	json       bool
	serverCPU  int
	loadCPU    int
	limit      time.Duration
}

const (
	fullRepeat  = 5
	fullSeconds = 5
	// A quick run shows whether everything works, and the order of magnitude.
	quickRepeat  = 1
	quickSeconds = 2
)

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.quick, "quick", false, "one short repetition of each shape")
	flags.StringVar(&o.only, "only", "", "comma-separated shapes to run: "+strings.Join(shapeNames(), ", "))
	flags.StringVar(&o.contenders, "contenders", "", "comma-separated contenders to run: "+strings.Join(contenderNames(), ", "))
	flags.IntVar(&o.repeat, "repeat", 0, fmt.Sprintf("repetitions of each shape (default %d; %d with -quick)", fullRepeat, quickRepeat))
	flags.Float64Var(&o.seconds, "seconds", 0, fmt.Sprintf("seconds measured in each (default %d; %d with -quick)", fullSeconds, quickSeconds))
	flags.StringVar(&o.server, "server", "", "a boreas binary to measure, instead of building the tree")
	flags.IntVar(&o.tokens, "tokens", 1, "access tokens that Boreas' subscribers share in turn")
	flags.BoolVar(&o.json, "json", false, "print every sample as JSON, instead of the table")
	flags.IntVar(&o.serverCPU, "server-cpu", 0, "the core that servers run on")
	flags.IntVar(&o.loadCPU, "load-cpu", 1, "the core that the load generator runs on")
	flags.DurationVar(&o.limit, "limit", 90*time.Minute, "the whole run may take this long")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is not an option; -help lists them", flags.Arg(0))
	}
	if o.tokens < 1 || o.repeat < 0 || o.seconds < 0 {
		return o, errors.New("-tokens must be 1 or more, -repeat and -seconds not negative")
	}
	repeat, seconds := fullRepeat, float64(fullSeconds)
	if o.quick {
		repeat, seconds = quickRepeat, quickSeconds
	}
	if o.repeat == 0 {
		o.repeat = repeat
	}
	if o.seconds == 0 {
		o.seconds = seconds
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	shapes, err := choose(shapes(), o.only, func(s shape) string { return s.name })
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	contenders, err := choose(contenders(), o.contenders, func(c contender) string { return c.name })
	if err != nil {
		return fmt.Errorf("-contenders: %w", err)
	}
	if err := checkMachine(shapes, o); err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "boreas-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	w := &workshop{options: o, dir: dir, log: stderr}
	entrants, err := w.build(ctx, needed(contenders, shapes))
	if err != nil {
		return err
	}
	results, err := w.runShapes(ctx, shapes, entrants)
	if ctx.Err() != nil {
		err = fmt.Errorf("stopped before the end: %w", context.Cause(ctx))
	}
	if err != nil {
		return err
	}
	machine := describeMachine(o)
	if o.json {
		return writeJSON(stdout, machine, o, results)
	}
	return writeTable(stdout, machine, o, entrants, results)
}

// needed returns the contenders that take part in at least one of the shapes.
func needed(all []contender, shapes []shape) []contender {
	return slices.DeleteFunc(all, func(c contender) bool {
		return !slices.ContainsFunc(shapes, func(s shape) bool { return s.has(c.name) })
	})
}

// choose returns the items whose names are in the comma-separated list. An empty list means all.
func choose[T any](all []T, list string, name func(T) string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	var kept []T
	for _, wanted := range strings.Split(list, ",") {
		found := false
		for _, item := range all {
			if name(item) == strings.TrimSpace(wanted) {
				kept, found = append(kept, item), true
			}
		}
		if !found {
			return nil, fmt.Errorf("%q is not known; -help lists what is", wanted)
		}
	}
	return kept, nil
}
