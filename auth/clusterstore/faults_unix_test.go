//go:build unix

package clusterstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/auth/clusterstore"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// The tests of this file take minutes. `make test` leaves them out: set CLUSTER_FAULTS=1 to run them.
func needFaults(t *testing.T) {
	t.Helper()
	if os.Getenv("CLUSTER_FAULTS") == "" {
		t.Skip("CLUSTER_FAULTS is not set")
	}
}

// A revoked token, and when its revocation was acknowledged.
type revoked struct {
	text string
	at   time.Time
}

// A load creates and revokes tokens at several authorities, and asks all of them about revoked tokens.
type load struct {
	nodes []*auth.Authority

	mu      sync.Mutex
	valid   map[string]bool // by the text of a token; only acknowledged changes
	revoked []revoked
	failed  int
}

// run works until ctx ends.
func (l *load) run(t *testing.T, ctx context.Context) {
	var all sync.WaitGroup
	for i, a := range l.nodes {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				l.change(a, n%2 == 0)
				time.Sleep(5 * time.Millisecond)
			}
		})
		all.Go(func() {
			for ctx.Err() == nil {
				l.ask(t, i)
				time.Sleep(time.Millisecond)
			}
		})
	}
	all.Wait()
}

// change creates a token, and revokes it at once if that is wanted.
func (l *load) change(a *auth.Authority, revoke bool) {
	text, token, err := a.CreateToken(auth.Token{User: "u"})
	if err == nil && revoke {
		_, err = a.Revoke(auth.Revocation{Token: token.ID})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed++ // whether it is kept is not known
		return
	}
	l.valid[text] = !revoke
	if revoke {
		l.revoked = append(l.revoked, revoked{text, time.Now()})
	}
}

// ask asks a node about a token that was revoked so long ago that the node knows it, or knows that it
// may have missed something.
func (l *load) ask(t *testing.T, node int) {
	now := time.Now()
	l.mu.Lock()
	old, _ := slices.BinarySearchFunc(l.revoked, now.Add(-clusterstore.StaleAfter), func(r revoked, at time.Time) int { return r.at.Compare(at) })
	if old == 0 {
		l.mu.Unlock()
		return
	}
	r := l.revoked[max(old-1-rand.IntN(100), 0)]
	l.mu.Unlock()
	if verdict(l.nodes[node], r.text) == "valid" {
		t.Errorf("node %d accepts a token %v after its revocation was acknowledged", node, now.Sub(r.at))
	}
}

// check compares the acknowledged changes with the tokens that each node accepts.
func (l *load) check(t *testing.T) {
	t.Helper()
	for i, a := range l.nodes {
		eventually(t, fmt.Sprintf("node %d is ready", i), func() bool { return a.Ready() == nil })
	}
	for i, a := range l.nodes {
		for _, other := range l.nodes {
			if _, err := a.ApplyUpTo(t.Context(), other.Position(), ""); err != nil {
				t.Fatal(err)
			}
		}
		got := make(map[string]bool)
		for text := range l.valid {
			got[text] = verdict(a, text) == "valid"
		}
		if diff := cmp.Diff(l.valid, got); diff != "" {
			t.Errorf("node %d, validity of tokens (-acknowledged +got):\n%.500s", i, diff)
		}
	}
	t.Logf("%d tokens are as acknowledged, %d of them revoked; %d changes failed", len(l.valid), len(l.revoked), l.failed)
}

// leaderOf returns the name of the server that leads the stream.
func leaderOf(t *testing.T, urls ...string) (leader string) {
	t.Helper()
	nc, err := nats.Connect(urls[0])
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream has a leader", func() bool {
		s, err := js.Stream(t.Context(), "BOREAS_AUTH")
		if err == nil && s.CachedInfo().Cluster != nil {
			leader = s.CachedInfo().Cluster.Leader
		}
		return leader != ""
	})
	return leader
}

// The leader of the stream dies, ends, or hangs while tokens are created and revoked.
func TestLeaderFaults(t *testing.T) {
	needFaults(t)
	const fault = 3 * time.Second // after the load has begun
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		longer time.Duration // for which the server is away
	}{{"SIGTERM", syscall.SIGTERM, 12 * time.Second}, {"SIGKILL", syscall.SIGKILL, 15 * time.Second}, {"SIGSTOP", syscall.SIGSTOP, 15 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			servers := natstest.StartProcesses(t, 3)
			l := &load{valid: make(map[string]bool)}
			for i, s := range servers {
				o := options(fmt.Sprint("n", i))
				// Each node is on its own server first, and may go to the others.
				o.Servers.URLs, o.Replicas = []string{s.URL, servers[(i+1)%3].URL, servers[(i+2)%3].URL}, 3
				l.nodes = append(l.nodes, openAuthority(t, o))
			}
			name := leaderOf(t, servers[0].URL)
			leader := servers[slices.IndexFunc(servers, func(s *natstest.Process) bool { return s.Name == name })]
			ctx, cancel := context.WithTimeout(t.Context(), fault+c.longer+12*time.Second)
			defer cancel()
			var all sync.WaitGroup
			all.Go(func() { l.run(t, ctx) })
			time.Sleep(fault)
			leader.Signal(t, c.signal)
			time.Sleep(c.longer)
			if c.signal == syscall.SIGSTOP {
				leader.Signal(t, syscall.SIGCONT)
			} else {
				leader.Start(t)
			}
			all.Wait()
			l.check(t)
		})
	}
}

// The leader of the stream is cut off, together with its node. The node refuses tokens when it may have
// missed a revocation, and makes no change.
func TestMinority(t *testing.T) {
	needFaults(t)
	servers, network := natstest.StartNetwork(t, 3)
	l := &load{valid: make(map[string]bool)}
	for i, s := range servers {
		o := options(fmt.Sprint("n", i), s)
		o.Replicas = 3
		l.nodes = append(l.nodes, openAuthority(t, o))
	}
	name := leaderOf(t, servers[0].ClientURL())
	leader := slices.IndexFunc(servers, func(s *server.Server) bool { return s.Name() == name })
	minority := l.nodes[leader]
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { l.run(t, ctx) })
	time.Sleep(2 * time.Second)
	text, _, err := minority.CreateToken(auth.Token{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	network.CutOff(leader, true)
	eventually(t, "the node refuses tokens", func() bool { return verdict(minority, text) == "auth_unavailable" })
	if _, _, err := minority.CreateToken(auth.Token{User: "eve"}); err == nil {
		t.Error("the node has created a token while it was cut off")
	}
	network.CutOff(leader, false)
	eventually(t, "the node accepts tokens again", func() bool { return verdict(minority, text) == "valid" })
	all.Wait()
	l.check(t)
}
