package natstest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
)

// A Network has the connections between the servers of a cluster. Each can be cut off.
type Network struct {
	proxies map[[2]int]*faultproxy.Proxy // by the numbers of both servers
}

// StartNetwork is [StartCluster] with a network between the servers that fails on demand.
func StartNetwork(t testing.TB, n int) ([]*server.Server, *Network) {
	t.Helper()
	network := &Network{make(map[[2]int]*faultproxy.Proxy)}
	var all []*server.Server
	ports := holdPorts(t, n)
	for i := range n {
		o := options(t, i+1)
		routes := ""
		for j := range i {
			p, err := faultproxy.New(fmt.Sprintf("127.0.0.1:%d", ports[j]))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.Close)
			network.proxies[[2]int{i, j}] = p
			if routes != "" {
				routes += ","
			}
			routes += "nats://" + p.Addr()
		}
		if i == 0 { // a server without routes runs alone, so it has one to itself
			routes = fmt.Sprintf("nats://127.0.0.1:%d", ports[0])
		}
		o.Routes = server.RoutesFromStr(routes)
		// The servers must not tell each other addresses behind the proxies. Nobody listens at this one.
		o.Cluster = server.ClusterOpts{
			Name: "test", Host: "127.0.0.1", Port: ports[i], PoolSize: -1, NoAdvertise: true, Advertise: "127.0.0.1:1",
		}
		all = append(all, run(t, o))
	}
	deadline := time.Now().Add(readyTimeout)
	for !ready(all) {
		if time.Now().After(deadline) {
			t.Fatal("the NATS servers elect no leader")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return all, network
}

// CutOff cuts a server off from all others, or ends that. What was sent before waits in the buffers
// of the connections and arrives afterwards.
func (n *Network) CutOff(server int, off bool) {
	for pair, p := range n.proxies {
		if pair[0] != server && pair[1] != server {
			continue
		}
		p.Refuse(off)
		for _, l := range p.Links() {
			if off {
				l.Do(faultproxy.Failure{Kind: faultproxy.Stall})
			} else {
				l.Heal()
			}
		}
	}
}

// The ways between a server and the others.
const (
	Both = iota
	Out  // from the server
	In   // to the server
)

// faultPeriod is how often a fault is applied to new connections, and to a random part of all.
const faultPeriod = 50 * time.Millisecond

// Disturb applies a failure to the connections of a server with the others, also to those that they open
// later, until end is called. Each time, the failure hits one of so many connections, at random; 1 means
// all of them, once.
func (n *Network) Disturb(server, way int, f faultproxy.Failure, oneOf int) (end func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		hit := make(map[*faultproxy.Link]bool)
		for tick := time.NewTicker(faultPeriod); ; {
			n.each(server, way, func(l *faultproxy.Link, d faultproxy.Direction) {
				if oneOf == 1 && hit[l] || rand.IntN(oneOf) != 0 {
					return
				}
				f.Direction, hit[l] = d, true
				l.Do(f)
			})
			select {
			case <-tick.C:
			case <-done:
				tick.Stop()
				n.each(server, way, func(l *faultproxy.Link, _ faultproxy.Direction) { l.Heal() })
				return
			}
		}
	})
	return func() {
		close(done)
		running.Wait()
	}
}

// each calls do with the connections of a server, and with the direction of the way.
func (n *Network) each(server, way int, do func(l *faultproxy.Link, d faultproxy.Direction)) {
	for pair, p := range n.proxies {
		d := faultproxy.BothWays
		switch {
		case pair[0] != server && pair[1] != server:
			continue
		case way != Both && (way == Out) == (pair[0] == server): // the first of the pair has dialed
			d = faultproxy.ToServer
		case way != Both:
			d = faultproxy.ToClient
		}
		for _, l := range p.Links() {
			do(l, d)
		}
	}
}
