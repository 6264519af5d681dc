//go:build unix

package cluster_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// A node of TestNetwork reaches its own server first, and the others only if it may.
type networkNode struct {
	*cluster.Engine
	ways []*faultproxy.Proxy // to its own server, and to the others
}

// TestNetwork lets the network between the servers, or between a node and its server, fail under load.
// Every acknowledged message is at all nodes, once and in order, and a node that reaches no majority
// acknowledges nothing.
func TestNetwork(t *testing.T) {
	needFaults(t)
	const before, fault, after = 2 * time.Second, 12 * time.Second, 8 * time.Second
	delay := faultproxy.Failure{Kind: faultproxy.Delay, Wait: 50 * time.Millisecond}
	stall := faultproxy.Failure{Kind: faultproxy.Stall}
	slow := faultproxy.Failure{Kind: faultproxy.Slow, Rate: 20_000}
	// A lost packet costs a TCP connection about this time.
	loss := faultproxy.Failure{Kind: faultproxy.Stall, For: 200 * time.Millisecond}
	disturb := func(way int, f faultproxy.Failure, oneOf int) func(*natstest.Network, int, networkNode) func() {
		return func(n *natstest.Network, at int, _ networkNode) func() { return n.Disturb(at, way, f, oneOf) }
	}
	cutOff := func(n *natstest.Network, at int, _ networkNode) func() {
		n.CutOff(at, true)
		return func() { n.CutOff(at, false) }
	}
	everywhere := func(f faultproxy.Failure, oneOf int) func(*natstest.Network, int, networkNode) func() {
		return func(n *natstest.Network, _ int, _ networkNode) func() {
			var ends []func()
			for i := range 3 {
				ends = append(ends, n.Disturb(i, natstest.Out, f, oneOf))
			}
			return func() {
				for _, end := range ends {
					end()
				}
			}
		}
	}
	for _, c := range []struct {
		name   string
		leader bool // whether it hits the server that leads the stream, or another one
		alone  bool // whether the node of that server reaches no majority
		begin  func(n *natstest.Network, at int, node networkNode) (end func())
	}{
		{"leader cut off", true, true, cutOff},
		{"follower cut off", false, true, cutOff},
		{"leader sends nothing", true, true, disturb(natstest.Out, stall, 1)},
		{"leader receives nothing", true, true, disturb(natstest.In, stall, 1)},
		{"follower sends nothing", false, true, disturb(natstest.Out, stall, 1)},
		{"follower receives nothing", false, true, disturb(natstest.In, stall, 1)},
		{"delay of 50 ms", true, false, everywhere(delay, 1)},
		{"loss of 10%", true, false, everywhere(loss, 10)},
		{"slow follower", false, false, disturb(natstest.Both, slow, 1)},
		{"node cut off from its server", false, false, func(_ *natstest.Network, _ int, node networkNode) func() {
			node.ways[0].Refuse(true)
			node.ways[0].Do(stall)
			return func() { node.ways[0].Refuse(false) }
		}},
		{"slow node", false, false, func(_ *natstest.Network, _ int, node networkNode) func() {
			for _, p := range node.ways {
				p.Do(slow)
			}
			return func() {
				for _, p := range node.ways {
					for _, l := range p.Links() {
						l.Heal()
					}
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			servers, network := natstest.StartNetwork(t, 3)
			nodes := make([]networkNode, 3)
			// A server that is heard, or hears, in one direction only can hold up elections for longer than
			// an attempt to publish lasts.
			others := &load{acked: map[uint64]string{}, mayFail: strings.HasSuffix(c.name, "nothing")}
			var followers []*follower
			for i := range nodes {
				nodes[i] = startNetworkNode(t, servers, i, c.alone)
				f, _ := follow(t, nodes[i].Engine, loadChannel)
				followers = append(followers, f)
			}
			_, js := dial(t, natstest.URLs(servers...)...)
			at := slices.IndexFunc(servers, func(s *server.Server) bool { return s.Name() == leaderOf(t, js) })
			if !c.leader {
				at = (at + 1) % 3
			}
			for i, n := range nodes {
				if i != at {
					others.engines = append(others.engines, n.Engine)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), before+fault+after)
			defer cancel()
			var loads sync.WaitGroup
			loads.Go(func() { others.run(ctx) })
			time.Sleep(before)
			end := c.begin(network, at, nodes[at])
			hit := publishDuring(nodes[at].Engine, fault)
			end()
			loads.Wait()
			others.followers = followers
			for offset, text := range hit.acked {
				others.acked[offset] = text
			}
			if c.alone && len(hit.acked) > 0 {
				t.Errorf("the node that reached no majority acknowledged %d messages: %v", len(hit.acked), hit.acked)
			}
			others.check(t)
			eventually(t, "all nodes are ready", func() bool {
				return !slices.ContainsFunc(nodes, func(n networkNode) bool { return n.Ready() != nil })
			})
			t.Logf("other nodes: %d acknowledged, %d failed, the longest took %v; the node that was hit: %d acknowledged, %d failed",
				len(others.acked)-len(hit.acked), len(others.failed), others.longest.Round(10*time.Millisecond), len(hit.acked), len(hit.failed))
		})
	}
}

// startNetworkNode starts a node that reaches the servers through proxies. If it is alone, it knows only
// its own server.
func startNetworkNode(t *testing.T, servers []*server.Server, i int, alone bool) networkNode {
	t.Helper()
	var n networkNode
	var urls []string
	for j := range servers {
		u, err := url.Parse(servers[(i+j)%len(servers)].ClientURL())
		if err != nil {
			t.Fatal(err)
		}
		p, err := faultproxy.New(u.Host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		n.ways, urls = append(n.ways, p), append(urls, "nats://"+p.Addr())
		if alone {
			break
		}
	}
	// More messages than come while the node is cut off: it must miss none.
	n.Engine = open(t, cluster.Options{Servers: node(fmt.Sprint("n", i)), Messages: 100_000}, urls...)
	return n
}

// publishDuring publishes at a node for some time. It returns the messages that were acknowledged
// within that time.
func publishDuring(e *cluster.Engine, fault time.Duration) *load {
	hit := &load{acked: map[uint64]string{}}
	ctx, cancel := context.WithTimeout(context.Background(), fault)
	defer cancel()
	var publishing sync.WaitGroup
	for n := 0; ctx.Err() == nil; n++ {
		text := fmt.Sprint("hit ", n)
		publishing.Go(func() {
			ack, err := e.Publish(ctx, loadChannel, engine.Message{Data: []byte(text), Key: text})
			hit.mu.Lock()
			defer hit.mu.Unlock()
			if err != nil {
				hit.failed = append(hit.failed, err.Error())
				return
			}
			hit.acked[ack.Position.Offset] = text
		})
		time.Sleep(20 * time.Millisecond)
	}
	publishing.Wait()
	return hit
}
