// Package natstest starts NATS servers with JetStream in the process of a test.
package natstest

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2/internal/testport"
)

// readyTimeout bounds the wait until servers answer. It is long because other tests run beside.
const readyTimeout = time.Minute

// Start starts one server and stops it at the end of the test.
func Start(t testing.TB) *server.Server {
	t.Helper()
	return run(t, options(t, 1))
}

// StartCluster starts servers that form a cluster, waits until they have elected a leader, and stops
// them at the end of the test. Change may change the options of each server.
func StartCluster(t testing.TB, n int, change ...func(*server.Options)) []*server.Server {
	t.Helper()
	ports := holdPorts(t, n)
	var routes []string
	for _, port := range ports {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", port))
	}
	var all []*server.Server
	for i := range n {
		o := options(t, i+1)
		o.Routes = server.RoutesFromStr(strings.Join(routes, ","))
		o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: ports[i], PoolSize: -1}
		for _, f := range change {
			f(o)
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
	return all
}

// Restart stops a server of [Start] if it runs, and starts one with the same name, directory and
// address. The change, which may be nil, runs while none runs.
func Restart(t testing.TB, s *server.Server, change func(o *server.Options)) *server.Server {
	t.Helper()
	port, dir := s.Addr().(*net.TCPAddr).Port, filepath.Dir(s.StoreDir()) // the server adds a folder to its directory
	Stop(s)
	o := options(t, 1)
	o.ServerName, o.Port, o.StoreDir = s.Name(), port, dir
	if change != nil {
		change(o)
	}
	return run(t, o)
}

// ready reports whether the servers have elected a leader, and all others know it.
func ready(all []*server.Server) bool {
	leaders := 0
	for _, s := range all {
		if s.JetStreamIsLeader() {
			leaders++
		}
		if !s.JetStreamIsCurrent() || len(s.JetStreamClusterPeers()) < len(all) && s.JetStreamIsLeader() {
			return false
		}
	}
	return leaders == 1
}

// URLs returns the addresses of servers for clients.
func URLs(all ...*server.Server) (urls []string) {
	for _, s := range all {
		urls = append(urls, s.ClientURL())
	}
	return urls
}

func options(t testing.TB, number int) *server.Options {
	return &server.Options{
		ServerName: fmt.Sprintf("s%d", number), Host: "127.0.0.1", Port: server.RANDOM_PORT,
		JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		JetStreamMaxStore: 16 << 30, JetStreamMaxMemory: 1 << 26,
	}
}

func run(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { Stop(s) })
	if !s.ReadyForConnections(readyTimeout) {
		t.Fatal("the NATS server does not get ready")
	}
	return s
}

// Stop stops a server, and waits until it has ended.
func Stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// holdPorts holds ports until the end of the test.
func holdPorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	held, err := testport.Hold(n)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range held {
		t.Cleanup(h.Release)
		ports = append(ports, h.Port)
	}
	return ports
}

// Goroutines returns the goroutines of the server that end some time after it has stopped. Tests for
// leaks must ignore them.
func Goroutines() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushLoop"),
	}
}
