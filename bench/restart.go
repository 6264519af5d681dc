package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"syscall"
)

// restarted runs a plan in which all sessions reconnect at once. If the contender keeps its
// messages, the server is killed and started again before they do. If the plan says so, a node of a cluster
// is killed instead.
func (w *workshop) restarted(ctx context.Context, p plan, e entrant, into *result) error {
	server, err := w.start(ctx, e, p)
	if err != nil {
		return err
	}
	defer func() { server.stop() }() // the last one
	in, tell, err := os.Pipe()       // a pipe needs no goroutine that copies
	if err != nil {
		return err
	}
	defer tell.Close()
	out, said := io.Pipe()
	defer out.Close() // otherwise the load generator's last output would wait for a reader
	load, err := startProcess(ctx, w.loadCPUFor(p), w.dir, w.loadArgs(p, e, server), in, said)
	in.Close() // the child has its own copy
	if err != nil {
		return err
	}
	defer load.stop()
	go func() {
		<-load.ended
		said.Close()
	}()
	lines := bufio.NewScanner(out)
	next := func() (map[string]float64, error) {
		if !lines.Scan() {
			return nil, fmt.Errorf("the load generator ended: %s", load.lastWords())
		}
		return parseMetrics(lines.Text())
	}
	if _, err := next(); err != nil { // everything is published
		return err
	}
	if p.lose {
		if err := server.killLast(); err != nil {
			return err
		}
	}
	if e.keeps {
		if err := syscall.Kill(-server.pid(), syscall.SIGKILL); err != nil {
			return err
		}
		<-server.ended
		if err := w.startServer(ctx, server); err != nil {
			return fmt.Errorf("start %s again: %w", e.name, err)
		}
	}
	fmt.Fprintln(tell, server.pid()) // an error means that the load generator has ended, as next reports
	metrics, err := next()
	if err != nil {
		return err
	}
	into.add(metrics, "", p)
	return nil
}
