package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	pacedPause   = 30 * time.Millisecond
	pacedWarmup  = 3 // publishes that are not measured
	quickPaced   = 20
	lateDelivery = "late"
)

// A pacer is a contender with connected subscribers. It publishes on command.
type pacer struct {
	server *server
	load   *process
	tell   io.WriteCloser
	out    *io.PipeReader
	heard  *bufio.Scanner // reads from out
}

// runPaced first connects the subscribers of all contenders. Then the contenders publish in turn,
// one message each, while the others are idle.
func (w *workshop) runPaced(ctx context.Context, s shape, entrants []entrant, results []*result) error {
	pacers := make([]*pacer, len(entrants))
	defer func() {
		for _, p := range pacers {
			if p != nil {
				p.stop()
			}
		}
	}()
	for i, e := range entrants {
		if e.missing != "" {
			continue
		}
		w.logf("%s: %s connects", s.name, e.name)
		p, err := w.newPacer(ctx, s.plan, e)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			w.logf("%s: %s: %v", s.name, e.name, err)
			results[i].failed = err.Error()
			continue
		}
		pacers[i] = p
	}
	count := s.plan.paced
	if w.options.quick {
		count = quickPaced
	}
	w.logf("%s: %d publishes each, in turn", s.name, count)
	for n := range count + pacedWarmup {
		for i, p := range pacers {
			if p == nil {
				continue
			}
			metrics, err := p.publish()
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				results[i].failed = err.Error()
				p.stop()
				pacers[i] = nil
				continue
			}
			if n >= pacedWarmup {
				results[i].add(metrics, "", s.plan)
			}
			if metrics[lateDelivery] > 0 {
				results[i].faults["deliveries lost"] += metrics[lateDelivery]
			}
			time.Sleep(pacedPause) // subscribers are quiet before each publish
		}
	}
	return w.finishPaced(s, pacers, results)
}

func (w *workshop) newPacer(ctx context.Context, plan plan, e entrant) (*pacer, error) {
	server, err := w.start(ctx, e, plan)
	if err != nil {
		return nil, err
	}
	in, tell, err := os.Pipe() // a pipe needs no goroutine that copies
	if err != nil {
		server.stop()
		return nil, err
	}
	hear, out := io.Pipe()
	p := &pacer{server: server, tell: tell, out: hear, heard: bufio.NewScanner(hear)}
	p.load, err = startProcess(ctx, w.options.loadCPU, w.dir, w.loadArgs(plan, e, server), in, out)
	in.Close() // the child has its own copy
	if err != nil {
		server.stop()
		return nil, err
	}
	go func() {
		<-p.load.ended
		out.Close()
	}()
	if _, err := p.hear(); err != nil { // the ready line
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *pacer) publish() (map[string]float64, error) {
	if _, err := p.tell.Write([]byte{'\n'}); err != nil {
		return nil, fmt.Errorf("the load generator ended: %s", p.load.lastWords())
	}
	return p.hear()
}

func (p *pacer) hear() (map[string]float64, error) {
	if !p.heard.Scan() {
		return nil, errors.New("the load generator ended: " + p.load.lastWords())
	}
	return parseMetrics(p.heard.Text())
}

func (p *pacer) stop() {
	p.tell.Close()
	p.out.Close() // otherwise the load generator's last output would wait for a reader
	p.load.stop()
	p.server.stop()
}

// finishPaced collects from each load generator its checks of all publishes.
func (w *workshop) finishPaced(s shape, pacers []*pacer, results []*result) error {
	for i, p := range pacers {
		if p == nil {
			continue
		}
		p.tell.Close() // the end of stdin requests the checks
		metrics, err := p.hear()
		if err != nil {
			results[i].failed = err.Error()
			continue
		}
		results[i].add(metrics, "end_", s.plan)
	}
	return nil
}
