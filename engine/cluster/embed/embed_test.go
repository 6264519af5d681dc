//go:build !noembed

package embed

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/dirlock"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
	"github.com/boreas-pubsub/boreas/v2/internal/testca"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
	"github.com/boreas-pubsub/boreas/v2/internal/testport"
)

const (
	secret = "a secret of the tests, which is long"

	// patience bounds each wait of a test. It is long because other tests run beside.
	patience = time.Minute
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *child != "" {
		os.Exit(runChild())
	}
	goleak.VerifyTestMain(m, natstest.Goroutines()...)
}

// peersOn returns peers on ports of this machine that are held until the end of the test.
func peersOn(t *testing.T, names ...string) (peers []Peer) {
	t.Helper()
	held, err := testport.Hold(len(names))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		t.Cleanup(held[i].Release)
		peers = append(peers, Peer{Name: name, Addr: held[i].Addr()})
	}
	return peers
}

// nodes returns options of nodes that form a cluster on this machine.
func nodes(t *testing.T, names ...string) (all []Options) {
	t.Helper()
	dir, peers := t.TempDir(), peersOn(t, names...)
	for _, name := range names {
		all = append(all, Options{Dir: filepath.Join(dir, name), Node: name, Peers: peers, Secret: secret})
	}
	return all
}

// startAll starts servers that need each other, and stops them at the end of the test.
func startAll(t *testing.T, all ...Options) []*Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	started := make([]*Server, len(all))
	errs := make([]error, len(all))
	var wait sync.WaitGroup
	for i, o := range all {
		wait.Go(func() { started[i], errs[i] = Start(ctx, o) })
	}
	wait.Wait()
	t.Cleanup(func() {
		for _, s := range started {
			if s != nil {
				wait.Go(func() { s.kill() })
			}
		}
		wait.Wait()
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return started
}

// kill stops a server without handing over. It may be called more than once.
func (s *Server) kill() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
	s.lock.Close()
}

// connect connects a client to a server in this process.
func connect(t *testing.T, s *Server) *nats.Conn {
	t.Helper()
	user, password := s.Credentials()
	o := natsconn.Options{Server: s, Node: s.options.Node, User: user, Password: password}
	nc, err := o.Connect(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// makeStream makes a stream on three servers.
func makeStream(t *testing.T, nc *nats.Conn) jetstream.Stream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var stream jetstream.Stream
	await(t, "a stream on three servers", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		stream, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "TEST", Subjects: []string{"test.>"}, Replicas: 3, Duplicates: time.Minute})
		return err == nil
	})
	return stream
}

// await waits until a condition is true.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting for %s", what)
		}
	}
}

// awaitReady waits until all servers are up to date.
func awaitReady(t *testing.T, all []*Server) {
	t.Helper()
	for _, s := range all {
		var status Status
		await(t, s.options.Node+" to be ready", func() bool {
			status = s.Status()
			return status.Ready && len(s.connected()) == len(all)-1
		})
	}
}

// load publishes at a server until it is stopped, and counts.
type load struct {
	stop    chan struct{}
	wait    sync.WaitGroup
	acked   atomic.Int64
	failed  atomic.Int64
	longest atomic.Int64 // of one publish, in nanoseconds
}

// publish publishes until the load is stopped. Like the engine, it tries each message again with the
// same id until 12 seconds have passed.
func (l *load) publish(t *testing.T, nc *nats.Conn, name string) {
	js, err := jetstream.New(nc)
	if err != nil {
		t.Error(err)
		return
	}
	l.wait.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-l.stop:
				return
			default:
			}
			if took, err := publishOnce(js, fmt.Sprintf("%s-%d", name, i)); err != nil {
				t.Log(err)
				l.failed.Add(1)
			} else {
				l.acked.Add(1)
				l.longest.Store(max(l.longest.Load(), int64(took)))
			}
		}
	})
}

func publishOnce(js jetstream.JetStream, id string) (time.Duration, error) {
	began := time.Now()
	for try := 250 * time.Millisecond; ; try = min(2*try, 2*time.Second) {
		ctx, cancel := context.WithTimeout(context.Background(), try)
		_, err := js.Publish(ctx, "test."+id, []byte(id), jetstream.WithMsgID(id), jetstream.WithRetryAttempts(0))
		cancel()
		took := time.Since(began)
		if err == nil || took > 12*time.Second {
			return took, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// end stops the load.
func (l *load) end() {
	close(l.stop)
	l.wait.Wait()
}

// count returns how many messages the stream has.
func count(t *testing.T, stream jetstream.Stream) int64 {
	t.Helper()
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return int64(info.State.Msgs)
}

// TestRollingRestart restarts each of three nodes in turn, while the others publish.
func TestRollingRestart(t *testing.T) {
	all := nodes(t, "n1", "n2", "n3")
	servers := startAll(t, all...)
	var acked int64
	var longest time.Duration
	makeStream(t, connect(t, servers[0]))
	for i := range servers {
		awaitReady(t, servers)
		l := &load{stop: make(chan struct{})}
		for j, s := range servers {
			if j != i {
				l.publish(t, connect(t, s), fmt.Sprintf("%d-%d", i, j))
			}
		}
		await(t, "publishes", func() bool { return l.acked.Load() > 50 })
		if err := servers[i].Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		servers[i] = startAll(t, all[i])[0]
		awaitReady(t, servers)
		l.end()
		acked += l.acked.Load()
		longest = max(longest, time.Duration(l.longest.Load()))
		if n := l.failed.Load(); n > 0 {
			t.Errorf("%d publishes failed while %s was restarted", n, all[i].Node)
		}
	}
	if got := count(t, makeStream(t, connect(t, servers[2]))); got != acked {
		t.Errorf("the stream has %d messages, and %d were acknowledged", got, acked)
	}
	t.Logf("%d acknowledged, the longest publish took %v", acked, longest)
}

// TestEmptyDirectories: a node whose directory is lost gets everything from the others, also if two of
// three are lost, as long as all nodes are there.
func TestEmptyDirectories(t *testing.T) {
	all := nodes(t, "n1", "n2", "n3")
	servers := startAll(t, all...)
	nc := connect(t, servers[0])
	makeStream(t, nc)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	const messages = 20
	for i := range messages {
		if _, err := publishOnce(js, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	for lost := 1; lost < len(servers); lost++ {
		for i, s := range servers {
			s.kill()
			if i < lost {
				if err := os.RemoveAll(all[i].Dir); err != nil {
					t.Fatal(err)
				}
			}
		}
		servers = startAll(t, all...)
		awaitReady(t, servers)
		for _, s := range servers {
			if got := count(t, makeStream(t, connect(t, s))); got != messages {
				t.Errorf("%s, with %d directories lost: the stream has %d messages, want %d", s.options.Node, lost, got, messages)
			}
		}
	}
}

// TestStatus: each node knows which others it is connected to, and the leader which are up to date.
func TestStatus(t *testing.T) {
	all := nodes(t, "n1", "n2", "n3")
	servers := startAll(t, all...)
	awaitReady(t, servers)
	leader := 0
	await(t, "the leader to know the others", func() bool {
		for i, s := range servers {
			if got := s.Status(); got.Leader == all[i].Node {
				leader = i
				return got.Peers[0].Current && got.Peers[1].Current
			}
		}
		return false
	})
	lost := (leader + 1) % 3
	servers[lost].kill()
	for i, s := range servers {
		if i == lost {
			continue
		}
		want := Status{Ready: true, Leader: all[leader].Node}
		for j, o := range all {
			if j != i {
				want.Peers = append(want.Peers, PeerStatus{Name: o.Node, Connected: j != lost, Current: i == leader && j != lost})
			}
		}
		var diff string
		await(t, "the loss of a node", func() bool {
			got := s.Status()
			for i := range got.Peers {
				got.Peers[i].Lag = 0 // of the one that was lost
				if got.Peers[i].Name == all[lost].Node {
					got.Peers[i].Current = false // until a timeout
				}
			}
			diff = cmp.Diff(want, got)
			return diff == ""
		})
	}
	servers[3-leader-lost].kill()
	await(t, "the loss of the majority", func() bool { return !servers[leader].Status().Ready })
	if got := servers[leader].Status().Reason; got != "no majority of the nodes n1, n2, n3: reached no other node" {
		t.Errorf("the reason is %q", got)
	}
}

// TestWaiting: a node that is alone waits, says so in its log, and ends when it is stopped.
func TestWaiting(t *testing.T) {
	o := nodes(t, "n1", "n2", "n3")[0]
	log, lines := testlog.New()
	o.Log = log
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := dirlock.Acquire(o.Dir, lockName)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	s := newServer(o, lock)
	s.progress = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.start(ctx) }()
	const line = `level=INFO msg="waiting for the nodes of the cluster: the first start needs all, later ones a majority" nodes="n1, n2, n3" reached=""`
	await(t, "the line about the others", func() bool { return strings.Contains(lines.String(), line) })
	if _, err := Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "another process uses "+o.Dir) {
		t.Errorf("a second server in the same directory: %v", err)
	}
	cancel()
	const want = "the nodes n1, n2, n3 have no leader, which the first start of a cluster needs all nodes for, and later ones a majority: reached no other node: context canceled"
	if err := <-done; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestOccupiedPort: the error says which address is not free.
func TestOccupiedPort(t *testing.T) {
	o := nodes(t, "n1", "n2", "n3")[0]
	l, err := net.Listen("tcp", o.Peers[0].Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Start(t.Context(), o)
	if want := "this node cannot listen on " + o.Peers[0].Addr + " for the other nodes"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

// TestStrangers: a node with another secret, or without a certificate, gets no connection, and both
// sides say why. The other nodes work.
func TestStrangers(t *testing.T) {
	authority := testca.New()
	certified := func(a *testca.Authority) *tls.Config {
		pair := a.Issue("node", time.Hour)
		cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{
			MinVersion:           tls.VersionTLS12,
			GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil },
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil },
			RootCAs:              authority.Pool(), ClientCAs: authority.Pool(), ClientAuth: tls.RequireAndVerifyClientCert,
		}
	}
	for name, c := range map[string]struct {
		change            func(o *Options)
		inOwn, inStranger string // what the logs of n1 and of the stranger must contain
	}{
		"secret": {
			func(o *Options) { o.Secret = strings.ToUpper(o.Secret) },
			"refused a node with another secret: give all nodes of the cluster the same secret",
			"another node refuses the secret of this node: give all nodes of the cluster the same secret",
		},
		"certificate": {
			func(o *Options) { o.TLS = certified(testca.New()) },
			"no encrypted connection with another node: check the certificates of both nodes",
			"no encrypted connection with another node: check the certificates of both nodes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := nodes(t, "n1", "n2", "n3")
			log, own := testlog.New()
			strangerLog, strangers := testlog.New()
			for i := range all {
				all[i].TLS = certified(authority)
			}
			all[0].Log, all[2].Log = log, strangerLog
			first := startAll(t, all...) // the first start needs all nodes
			for i := range all {
				// A node that does not know the others yet when it is killed would need all of them again.
				await(t, "the list of the nodes on disk", func() bool {
					_, err := os.Stat(filepath.Join(all[i].Dir, "jetstream", "$SYS", "_js_", "_meta_", "peers.idx"))
					return err == nil
				})
			}
			awaitReady(t, first)
			for _, s := range first {
				s.kill()
			}
			c.change(&all[2])
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := Start(ctx, all[2])
				done <- err
			}()
			startAll(t, all[0], all[1])
			await(t, "the line of the log", func() bool { return strings.Contains(own.String(), c.inOwn) })
			await(t, "the line of the stranger's log", func() bool { return strings.Contains(strangers.String(), c.inStranger) })
			cancel()
			if err := <-done; err == nil || !strings.Contains(err.Error(), "reached no other node") {
				t.Errorf("the stranger: %v", err)
			}
			for _, text := range []string{own.String(), strangers.String()} {
				if strings.Contains(text, secret) || strings.Contains(text, routePassword(secret)) {
					t.Errorf("the log has the secret:\n%s", text)
				}
			}
		})
	}
}

// TestLogger: a line that repeats is logged once, whatever its numbers.
func TestLogger(t *testing.T) {
	log, lines := testlog.NewAt(slog.LevelDebug)
	l := &logger{log: log, logged: make(map[string]time.Time)}
	l.Noticef("Listening on %d", 1)
	l.Errorf("Error trying to connect to route (attempt %d): refused", 1)
	l.start()
	for i := range 3 {
		l.Errorf("Error trying to connect to route (attempt %d): refused", i)
		l.Warnf("Slow %s", "disk")
	}
	l.Warnf("Filestore [%s] Stream state outdated, last block has additional entries, will rebuild", "BOREAS")
	l.Warnf("JetStream cluster stream '%s' has NO quorum, stalled", "BOREAS")
	for range maxLines {
		l.Warnf("%s", strings.Repeat("x", len(l.logged)))
	}
	if len(l.logged) > maxLines {
		t.Errorf("%d lines are remembered", len(l.logged))
	}
	l.Fatalf("no %s", "port")
	l.Fatalf("no more")
	if err := l.failed(); err == nil || err.Error() != "no port" {
		t.Error(err)
	}
	want := `level=DEBUG msg="NATS: Listening on 1"
level=INFO msg="another node cannot be reached" nats="Error trying to connect to route (attempt 1): refused"
level=WARN msg="another node cannot be reached" nats="Error trying to connect to route (attempt 0): refused"
level=WARN msg="the NATS server of this node reports a fault" nats="Slow disk"
level=INFO msg="this node was not stopped in order: it reads its files again" nats="Filestore [BOREAS] Stream state outdated, last block has additional entries, will rebuild"
level=WARN msg="this node does not reach a majority of the nodes: publishing waits until enough nodes are back; start them, or look at the network between the nodes" nats="JetStream cluster stream 'BOREAS' has NO quorum, stalled"
`
	if got := lines.String(); !strings.HasPrefix(got, want) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
}
