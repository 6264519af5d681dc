package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/client"
)

func TestTopPrintsRates(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before := &figures{
		at: at, stats: client.Stats{Publishes: 10, Deliveries: 100, Gaps: map[string]uint64{"expired": 1}},
		channels: []client.ChannelInfo{{Channel: "a", Published: 10}, {Channel: "again", Published: 9}},
	}
	now := &figures{
		at: at.Add(2 * time.Second),
		stats: client.Stats{
			Anonymous: 1, Authenticated: 2, Blocked: 1, Publishes: 30, Deliveries: 50, Gaps: map[string]uint64{"expired": 2, "slow": 2},
			Nodes: &client.Nodes{Answered: 2, Silent: []string{"n3"}},
		},
		channels: []client.ChannelInfo{{Channel: "a", Subscribers: 3, Published: 30}, {Channel: "new\x1b", Published: 5}, {Channel: "again", Published: 1}},
		sessions: []client.SessionInfo{
			{Session: "s_1", User: "u\n", Address: "192.0.2.1:5", Behind: 7, BlockedMS: 1500, Sent: 40, Gaps: 1}, {Session: "s_2"},
		},
	}
	now.stats.Engine.Publications, now.stats.Engine.Bytes = 3, 3<<19
	const want = `sessions 3 (1 blocked)   published 10.0/s   delivered -   gaps 1.5/s   history 3 messages, 1.5 MiB
nodes: 2 answered; silent: n3

CHANNEL  SUBSCRIBERS  MESSAGES  RATE
a        3            30        10.0/s
new�     0            5         -
again    0            1         -

SESSION  USER  ADDRESS      BEHIND  BLOCKED  SENT  GAPS
s_1      u�    192.0.2.1:5  7       1.5s     40    1
s_2      -     -            0       0s       0     0
`
	var got bytes.Buffer
	if err := now.print(&got, before); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTop(t *testing.T) {
	requests := []string{"GET /v2/stats", "GET /v2/channels?limit=2&order=messages", "GET /v2/sessions?limit=2&order=behind"}
	const block = "sessions 1 (0 blocked)   published 0.0/s   delivered 0.0/s   gaps 0.0/s   history 0 messages, 0.0 MiB\n" +
		"\nCHANNEL  SUBSCRIBERS  MESSAGES  RATE\na        0            4         0.0/s\n" +
		"\nSESSION  USER  ADDRESS  BEHIND  BLOCKED  SENT  GAPS\n"
	const answer = `{"anonymous":1,"channels":[{"channel":"a","published":4}],"sessions":[]}`
	for name, test := range map[string]struct {
		started
		want outcome
	}{
		"once":  {started{args: "top --rows=2 --interval=1ms", answer: answer}, outcome{Stdout: block, Requests: append(requests, requests...)}},
		"twice": {started{args: "top --rows=2 --interval=1ms --count=2", answer: answer}, outcome{Stdout: block + "\n" + block, Requests: append(append(requests, requests...), requests...)}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.run(t)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
