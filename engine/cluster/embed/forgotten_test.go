package embed

import (
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
	"github.com/boreas-pubsub/boreas/v2/internal/testport"
)

// TestForgottenConnections lets a network forget the connections of a node, as a firewall does after a restart: what is
// sent on them is lost, and neither end is told. New connections work. The nodes must notice, and connect again.
func TestForgottenConnections(t *testing.T) {
	names := []string{"a", "b", "c"}
	held, err := testport.Hold(len(names))
	if err != nil {
		t.Fatal(err)
	}
	var peers []Peer
	var proxies []*faultproxy.Proxy // to each node
	for i, name := range names {
		t.Cleanup(held[i].Release)
		p, err := faultproxy.New(held[i].Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		proxies = append(proxies, p)
		peers = append(peers, Peer{Name: name, Addr: p.Addr()})
	}
	dir := t.TempDir()
	var all []Options
	for i, name := range names {
		all = append(all, Options{Dir: dir + "/" + name, Node: name, Peers: peers, Secret: secret, Listen: held[i].Addr()})
	}
	servers := startAll(t, all...)
	awaitReady(t, servers)
	before := 0
	for _, p := range proxies {
		before += p.Accepted()
		p.Do(faultproxy.Failure{Kind: faultproxy.HalfOpen})
	}
	await(t, "new connections", func() bool {
		after := 0
		for _, p := range proxies {
			after += p.Accepted()
		}
		return after > before
	})
	awaitReady(t, servers)
	makeStream(t, connect(t, servers[0]))
}
