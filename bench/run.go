package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	loadLimit   = 90 * time.Second // for one run of the load generator
	warmup      = 1                // seconds
	exhausted   = 0.97             // above this share of its core, the load generator is at its limit
	stalledRuns = "stalled_"
)

// A result contains a contender's figures under one shape.
type result struct {
	contender string
	samples   map[string][]float64 // metric -> one value per repetition or publish
	faults    map[string]float64   // fault -> how often it occurred, in all repetitions together
	failed    string               // why the last failed repetition has no figures
	limited   bool                 // the load generator was at its limit, but the server was not
}

func newResult(name string) *result {
	return &result{contender: name, samples: map[string][]float64{}, faults: map[string]float64{}}
}

// shapeResult is a shape with the results of its contenders, in their order.
type shapeResult struct {
	shape   shape
	results []*result
}

func (w *workshop) runShapes(ctx context.Context, shapes []shape, entrants []entrant) ([]shapeResult, error) {
	var all []shapeResult
	for _, s := range shapes {
		r := shapeResult{shape: s}
		var partakers []entrant
		for _, e := range entrants {
			if !s.has(e.name) {
				continue
			}
			one := newResult(e.name)
			one.failed = e.missing
			partakers = append(partakers, e)
			r.results = append(r.results, one)
		}
		var err error
		if s.plan.paced > 0 {
			err = w.runPaced(ctx, s, partakers, r.results)
		} else {
			err = w.runFloods(ctx, s, partakers, r.results)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// runFloods lets the contenders take turns, so that a slow minute of the machine affects all of
// them.
func (w *workshop) runFloods(ctx context.Context, s shape, entrants []entrant, results []*result) error {
	for repetition := range w.options.repeat {
		for i, e := range entrants {
			if e.missing != "" {
				continue
			}
			w.logf("%s: %s, repetition %d of %d", s.name, e.name, repetition+1, w.options.repeat)
			err := w.runOnce(ctx, s.plan, e, results, i)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				w.logf("%s: %s: %v", s.name, e.name, err)
				results[i].failed = err.Error()
			}
		}
	}
	return nil
}

// runOnce runs a plan with one contender. Its result is results[i].
func (w *workshop) runOnce(ctx context.Context, p plan, e entrant, results []*result, i int) error {
	if p.revoke > 0 {
		return w.revokeUsers(ctx, p, e, results[i])
	}
	if p.kept > 0 && e.nodes > 0 {
		return w.manyChannels(ctx, p, e, results[i])
	}
	if p.kept > 0 {
		return w.fillHistory(ctx, p, e, results[i])
	}
	if p.own {
		return w.ownLoad(ctx, p, e, results[i])
	}
	if e.store != "" {
		return w.storeLoad(ctx, p, e, results[i])
	}
	if p.restart {
		return w.restarted(ctx, p, e, results[i])
	}
	if p.sizeOf != "" && p.sizeOf != e.name {
		size, ok := sizeOf(p.sizeOf, results)
		if !ok {
			return fmt.Errorf("its messages are to be as large as those of %s, which are not known", p.sizeOf)
		}
		p.payload = size
	}
	return w.flood(ctx, p, e, results[i])
}

// sizeOf returns the size of a contender's messages on the wire, in bytes.
func sizeOf(name string, results []*result) (int, bool) {
	for _, r := range results {
		if size, ok := median(r.samples["text_bytes"]); ok && r.contender == name {
			return int(math.Round(size)), true
		}
	}
	return 0, false
}

// flood runs a plan once. If the plan has stalled subscribers, it runs it a second time with them.
func (w *workshop) flood(ctx context.Context, p plan, e entrant, into *result) error {
	calm := p
	calm.stalled = 0
	if err := w.floodOnce(ctx, calm, e, into, ""); err != nil || p.stalled == 0 {
		return err
	}
	return w.floodOnce(ctx, p, e, into, stalledRuns)
}

func (w *workshop) floodOnce(ctx context.Context, p plan, e entrant, into *result, prefix string) error {
	server, err := w.start(ctx, e, p)
	if err != nil {
		return err
	}
	defer server.stop()
	var output strings.Builder
	load, err := startProcess(ctx, w.loadCPUFor(p), w.dir, w.loadArgs(p, e, server), nil, &output)
	if err != nil {
		return err
	}
	<-load.ended
	if load.err != nil {
		return fmt.Errorf("%s (%w; the server said: %s)", load.lastWords(), load.err, server.lastWords())
	}
	metrics, err := parseMetrics(output.String())
	if err != nil {
		return err
	}
	into.add(metrics, prefix, p)
	return nil
}

// loadArgs returns the load generator's command line.
func (w *workshop) loadArgs(p plan, e entrant, s *server) []string {
	dialect := cmp.Or(e.dialect, e.name)
	if p.answers {
		dialect = "boreas-post"
	}
	args := []string{w.load, "--dialect", dialect}
	number := func(name string, value int) {
		if value != 0 {
			args = append(args, name, strconv.Itoa(value))
		}
	}
	args = append(args, "--ws-port", commas(s.ports.subscribers()), "--api-port", commas(s.ports.publishers()))
	number("--pid", s.pid())
	number("--subscribers", p.subscribers)
	number("--channels", p.channels)
	number("--joins", p.joins)
	number("--publishers", p.publishers)
	number("--rate", p.rate)
	number("--stalled", p.stalled)
	number("--fill", p.fill)
	number("--missed", p.missed)
	number("--payload", p.payload)
	number("--settle", p.settleMS)
	number("--limit", int(loadLimit/time.Second))
	number("--warmup", warmup)
	if p.paced > 0 {
		args = append(args, "--paced")
	}
	if p.real != "" {
		args = append(args, "--real", p.real)
	}
	if e.deflate {
		args = append(args, "--deflate")
	}
	if p.answers {
		args = append(args, "--answers")
	}
	if p.restart {
		args = append(args, "--pause")
	}
	if p.lose {
		args = append(args, "--lose")
	}
	seconds := w.options.seconds
	if p.idle {
		seconds = 0
	}
	args = append(args, "--seconds", strconv.FormatFloat(seconds, 'f', -1, 64))
	if s.tokens != "" {
		args = append(args, "--tokens", s.tokens)
	}
	return args
}

// parseMetrics parses the load generator's JSON object. It skips values that are not numbers.
func parseMetrics(line string) (map[string]float64, error) {
	var fields map[string]any
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		return nil, fmt.Errorf("the load generator printed %.200q: %w", line, err)
	}
	metrics := map[string]float64{}
	for name, value := range fields {
		if number, ok := value.(float64); ok {
			metrics[name] = number
		}
	}
	return metrics, nil
}

// faultNames are the load generator's checks, in words that follow a number.
var faultNames = []struct{ metric, words string }{
	{"missing", "deliveries lost"},
	{"repeated", "deliveries repeated or late"},
	{"stray", "deliveries to somebody who had not joined"},
	{"disordered", "subscriptions in another order than their channel's others"},
	{"corrupt", "messages changed on the way"},
	{"malformed", "broken frames"},
	{"refused", "publishes refused"},
	{"closed", "subscribers cut off"},
	{"stalled_missing", "messages that stalled subscribers missed and were not told of"},
}

func (r *result) add(metrics map[string]float64, prefix string, p plan) {
	for name, value := range metrics {
		r.samples[prefix+name] = append(r.samples[prefix+name], value)
	}
	for _, f := range faultNames {
		if n := metrics[f.metric]; n > 0 {
			r.faults[f.words] += n
		}
	}
	// At a fixed rate the generator spins, so its share means nothing.
	if p.rate == 0 && metrics["load_cpu_share"] > exhausted && metrics["server_cpu_share"] < exhausted {
		r.limited = true
	}
}
