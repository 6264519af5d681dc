package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/auth/clusterstore"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/nodes"
)

const (
	// statusEvery is the pause between two looks of `boreas cluster status --wait`.
	statusEvery = time.Second

	// mostAhead is the difference of clocks above which the status shows it. A beat takes a part of it.
	mostAhead = time.Second
)

func clusterStatusCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show the nodes, and whether each server has all messages",
		Description: "Shows the live nodes, and which servers keep the messages and the tokens: `current` means that a\n" +
			"server has all of them. Exits with 0 if every server is current and enough nodes are alive, and\n" +
			"otherwise with 1 and the reason. Enough is the number in --nodes; without it, all cluster_peers, or\n" +
			"one node with NATS servers. With --wait it waits for that: restart nodes one by one, and run it\n" +
			"before each.",
		Flags: append(optionFlags(),
			durationFlag("wait", "wait until all is well, for at most this `DURATION`", 0),
			&cli.IntFlag{Name: "nodes", Usage: "how many nodes should be alive, a `NUMBER`"},
			&cli.BoolFlag{Name: "json", Usage: "print one JSON object"}),
		Action: p.clusterStatus,
	}
}

func (p *program) clusterStatus(ctx context.Context, cmd *cli.Command) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	c, o, err := p.clusterConfig(ctx, cmd)
	if err != nil {
		return err
	}
	want := cmd.Int("nodes")
	if want < 0 {
		return usagef("--nodes: want a number of nodes, not %d", want)
	}
	if want == 0 {
		want = max(len(c.Peers()), 1)
	}
	s, err := p.awaitStatus(ctx, o, want, durationOf(cmd, "wait"))
	if err != nil {
		return err
	}
	if cmd.Bool("json") {
		err = p.printLine(s)
	} else {
		err = s.print(p)
	}
	if err == nil && !s.OK {
		err = errors.New(strings.Join(s.Problems, "; "))
	}
	return err
}

// awaitStatus looks until all is well or the time is over, and at least once. It notes each new problem.
func (p *program) awaitStatus(ctx context.Context, o cluster.Options, want int, wait time.Duration) (*clusterStatus, error) {
	end := time.Now().Add(wait)
	said := ""
	for {
		s, err := lookAtCluster(ctx, o, want)
		if ctx.Err() != nil {
			return nil, errors.New("interrupted")
		}
		if err == nil && s.OK || !time.Now().Before(end) {
			return s, err
		}
		problem := ""
		if err != nil {
			problem = err.Error()
		} else {
			problem = strings.Join(s.Problems, "; ")
		}
		if problem != said {
			said = problem
			p.note("waiting: %s", problem)
		}
		select {
		case <-time.After(statusEvery):
		case <-ctx.Done():
		}
	}
}

// clusterStatus is what `boreas cluster status` prints.
type clusterStatus struct {
	OK       bool           `json:"ok"`
	Problems []string       `json:"problems"`
	Nodes    []nodeStatus   `json:"nodes"`
	Streams  []streamStatus `json:"streams"`
	Limits   *limitsStatus  `json:"limits"` // null if there is no stream of messages

	described cluster.Description
}

type nodeStatus struct {
	Name       string    `json:"name"`
	Version    string    `json:"version"`
	Since      time.Time `json:"since"`
	ClockAhead float64   `json:"clock_ahead_seconds"` // of the clock of this machine
}

type streamStatus struct {
	Name     string          `json:"name"`
	Holds    string          `json:"holds"`
	Messages uint64          `json:"messages"`
	Bytes    uint64          `json:"bytes"`
	MaxBytes int64           `json:"max_bytes"`
	Last     uint64          `json:"last_sequence"`
	Replicas []replicaStatus `json:"replicas"`
}

type replicaStatus struct {
	Server string `json:"server"`
	State  string `json:"state"`  // leader, current, behind, silent or offline
	Behind uint64 `json:"behind"` // 0 if it is not known

	// Silent is how long ago the leader heard from a server that is silent or offline; 0 if it never has.
	Silent float64 `json:"silent_seconds,omitempty"`

	text string
}

// What the two streams of a cluster hold.
const (
	holdsMessages = "messages"
	holdsAuth     = "tokens, keys and revocations"
)

// lookAtCluster asks the servers and listens to the nodes. An error means that there is nothing to show.
func lookAtCluster(ctx context.Context, o cluster.Options, want int) (*clusterStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	s := &clusterStatus{Problems: []string{}, Nodes: []nodeStatus{}, Streams: []streamStatus{}}
	live, err := nodes.Observe(ctx, o.Servers)
	if err != nil {
		return nil, err
	}
	for _, n := range live {
		s.Nodes = append(s.Nodes, nodeStatus{n.Name, n.Version, n.Started.UTC(), n.Ahead.Round(time.Millisecond).Seconds()})
	}
	if len(live) < want {
		s.problem(fmt.Errorf("%d of %d nodes are alive", len(live), want))
	}
	if s.described, err = cluster.Describe(ctx, o); err != nil {
		s.problem(err)
	} else {
		s.Limits = &limitsStatus{newLimitsJSON(s.described.InForce), newLimitsJSON(s.described.Wanted)}
		s.add(s.described.Stream, holdsMessages)
	}
	if stream, err := clusterstore.Describe(ctx, o.Servers); err != nil {
		s.problem(err)
	} else {
		s.add(stream, holdsAuth)
	}
	s.OK = len(s.Problems) == 0
	return s, nil
}

func (s *clusterStatus) problem(err error) { s.Problems = append(s.Problems, err.Error()) }

func (s *clusterStatus) add(stream natsconn.StreamStatus, holds string) {
	t := streamStatus{
		Name: stream.Name, Holds: holds, Messages: stream.Messages, Bytes: stream.Bytes, MaxBytes: stream.MaxBytes, Last: stream.Last, Replicas: []replicaStatus{},
	}
	for _, r := range stream.Replicas {
		state := "behind"
		switch {
		case r.Leader:
			state = "leader"
		case r.Offline:
			state = "offline"
		case r.Silent:
			state = "silent"
		case r.Current:
			state = "current"
		}
		t.Replicas = append(t.Replicas, replicaStatus{r.Name, state, r.Behind, r.Since.Round(time.Millisecond).Seconds(), r.String()})
	}
	s.Streams = append(s.Streams, t)
	if err := stream.Current(); err != nil {
		s.problem(err)
	}
}

// print writes the status as a table.
func (s *clusterStatus) print(p *program) error {
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	row := func(name, item, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\t%s\n", name, printable(item), printable(fmt.Sprintf(format, args...)))
	}
	for _, n := range s.Nodes {
		text := "since " + n.Since.Format(time.RFC3339)
		if ahead := time.Duration(n.ClockAhead * float64(time.Second)); ahead.Abs() > mostAhead {
			text += fmt.Sprintf("; its clock is %v ahead of this machine's: set both by NTP", ahead)
		}
		row("node", n.Name, "version %s, %s", n.Version, text)
	}
	for _, stream := range s.Streams {
		row("stream", stream.Name, "%s: %d entries, %d of %d bytes, last sequence %d", stream.Holds, stream.Messages, stream.Bytes, stream.MaxBytes, stream.Last)
		for _, r := range stream.Replicas {
			row("server", r.Server, "%s", r.text)
		}
	}
	if s.Limits != nil {
		row("limits", "in force", "%s", limitsText(s.described.InForce))
		if !s.described.Agrees() {
			row("limits", "configured", "%s; `boreas cluster apply` puts them in force", limitsText(s.described.Wanted))
		}
	}
	return t.Flush()
}

// limitsStatus are the limits of the messages.
type limitsStatus struct {
	InForce    limitsJSON `json:"in_force"`
	Configured limitsJSON `json:"configured"`
}

type limitsJSON struct {
	Messages  int    `json:"history_messages"`
	Age       string `json:"history_age"`
	History   int64  `json:"cluster_history"`
	KeyWindow string `json:"idempotency_window"`
	Replicas  int    `json:"nats_replicas"`
}

func newLimitsJSON(l cluster.Limits) limitsJSON {
	return limitsJSON{l.Messages, config.FormatDuration(l.Age), l.History, config.FormatDuration(l.KeyWindow), l.Replicas}
}
