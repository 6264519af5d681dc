package main

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// manyChannels publishes the plan's messages to a cluster. It measures the memory of the largest node,
// and how long a node that is restarted takes until it is ready.
func (w *workshop) manyChannels(ctx context.Context, p plan, e entrant, into *result) error {
	server, err := w.start(ctx, e, p)
	if err != nil {
		return err
	}
	defer server.stop()
	pids, err := server.nodePIDs()
	if err != nil {
		return err
	}
	idle, err := largestMemory(ctx, pids)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := publishHistory(ctx, p, server.ports.api); err != nil {
		return fmt.Errorf("%w; the servers said: %s", err, server.lastWords())
	}
	seconds := time.Since(began).Seconds()
	full, err := largestMemory(ctx, pids)
	if err != nil {
		return err
	}
	kept, err := metricOf(ctx, server.ports.api, "boreas_history_publications")
	if err != nil {
		return err
	}
	last := len(pids) - 1
	restarted, ready, err := w.restartNode(ctx, server, p, e, pids[last], last)
	if err != nil {
		return err
	}
	defer restarted.stop()
	again, err := largestMemory(ctx, []int{restarted.pid()})
	if err != nil {
		return err
	}
	into.add(map[string]float64{
		"rss_idle_mib": idle / (1 << 20), "rss_mib": full / (1 << 20), "rss_restarted_mib": again / (1 << 20),
		"publishes_per_s": float64(p.channels*p.kept) / seconds, "in_memory": kept, "ready_ms": milliseconds(ready),
	}, "", p)
	return nil
}

// largestMemory returns the memory in bytes of the largest of the processes, when it has settled.
func largestMemory(ctx context.Context, pids []int) (float64, error) {
	var largest float64
	for _, pid := range pids {
		bytes, err := settledMemory(ctx, pid)
		if err != nil {
			return 0, err
		}
		largest = max(largest, bytes)
	}
	return largest, nil
}

// restartNode stops a node in order and starts it again. It returns the time from the start of the
// process until the node is ready.
func (w *workshop) restartNode(ctx context.Context, s *server, p plan, e entrant, pid, index int) (*process, time.Duration, error) {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return nil, 0, err
	}
	for deadline := time.Now().Add(readyPatience); syscall.Kill(pid, 0) == nil; {
		if time.Now().After(deadline) {
			return nil, 0, fmt.Errorf("a node does not stop within %s: %s", readyPatience, s.lastWords())
		}
		select {
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		case <-time.After(pollInterval):
		}
	}
	began := time.Now()
	command := nodeCommand(e.program, s.dir, s.ports, index, slices.Concat(e.settings, p.settings))
	restarted, err := startProcess(ctx, s.cpu, s.dir, command, nil, nil)
	if err != nil {
		return nil, 0, err
	}
	if err := awaitReady(ctx, s.ports.nodes[index].api); err != nil {
		restarted.stop()
		return nil, 0, fmt.Errorf("%w; the node said: %s", err, restarted.lastWords())
	}
	return restarted, time.Since(began), nil
}
