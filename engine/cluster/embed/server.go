//go:build !noembed

package embed

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/boreas-pubsub/boreas/v2/internal/dirlock"
)

const (
	// clusterName is the name that all servers of a cluster have in common.
	clusterName = "boreas"

	// user is the name under which nodes and clients log in.
	user = "boreas"

	// maxPayload is the maximum size of a message with its headers. It is the largest for which the
	// server gives no warning.
	maxPayload = 8 << 20

	// maxStore is the size of all streams in bytes. It is beyond any: each stream has a limit of its own.
	// With less, a server could not load a stream that was made with larger limits, and nobody could
	// raise the limits of a stream while the servers run.
	maxStore = 1 << 43

	// maxMemory is the memory for streams in memory, which Boreas does not have.
	maxMemory = 64 << 20

	// maxClients bounds the connections of clients. Only this process, and commands of the same user,
	// have the password.
	maxClients = 256

	// lameDuckTime is the time in which a server that stops closes the connections of its clients, and
	// lameDuckGrace the time before. It hands over its leaderships first, which takes a second.
	lameDuckTime  = time.Second
	lameDuckGrace = 200 * time.Millisecond

	// progressEvery is the time between two lines of the log while a node waits for others.
	progressEvery = 5 * time.Second

	// lookEvery is the time between two looks at a server that starts.
	lookEvery = 20 * time.Millisecond

	// tlsTimeout bounds a handshake between nodes, and authTimeout what follows it.
	tlsTimeout  = 5
	authTimeout = 5
)

// Server is a running server. Its methods are safe for concurrent use. It is a
// nats.InProcessConnProvider.
type Server struct {
	// Immutable after Start.
	options  Options
	nats     *server.Server
	lock     *dirlock.Lock
	log      *logger
	password string
	progress time.Duration // progressEvery, except in tests
}

// Start starts a server, and returns when the nodes have elected a leader. It waits for the other nodes
// until ctx ends, and tells about it in the log. ctx has no effect after that.
//
// The first election of a cluster needs all nodes. When Start has returned on all of them, later ones need a
// majority of the nodes. If a node dies before, it may not know all others yet, and all are needed again. A node
// with an empty directory counts for it only if all nodes are there. So the messages of a cluster are
// safe from a majority of nodes whose directories are lost.
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := dirlock.Acquire(o.Dir, lockName)
	if errors.Is(err, dirlock.ErrHeld) {
		return nil, fmt.Errorf("another process uses %s: stop it, or give another directory", o.Dir)
	} else if err != nil {
		return nil, err
	}
	s := newServer(o, lock)
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func newServer(o Options, lock *dirlock.Lock) *Server {
	return &Server{
		options: o, lock: lock, password: rand.Text(), progress: progressEvery,
		log: &logger{log: o.log(), logged: make(map[string]time.Time)},
	}
}

// start starts the server in its locked directory. It leaves nothing running if it fails.
func (s *Server) start(ctx context.Context) error {
	if err := claim(s.options.Dir, s.options.Node, s.options.names()); err != nil {
		return err
	}
	if err := tryListen(ctx, s.options.listen()); err != nil {
		return err
	}
	o, err := s.serverOptions()
	if err != nil {
		return err
	}
	if s.nats, err = server.NewServer(o); err != nil {
		return fmt.Errorf("the NATS server of this node does not start: %w", err)
	}
	s.nats.SetLoggerV2(s.log, false, false, false)
	s.nats.Start()
	err = s.awaitLeader(ctx)
	if err == nil {
		s.log.start()
		err = writeLogin(s.options.Dir, Login{s.nats.ClientURL(), user, s.password})
	}
	if err != nil {
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
	}
	return err
}

// tryListen returns an error if the server could not listen on the address. The server itself reports
// that only in its log.
func tryListen(ctx context.Context, addr string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("this node cannot listen on %s for the other nodes: %w: free the port, or give another address to listen on", addr, err)
	}
	return l.Close()
}

const (
	// routePing is the time between two pings on a connection between nodes, and routePings the number of them that
	// may be unanswered. A connection may be dead although neither node has been told, for example because a firewall
	// has forgotten it. By default NATS needs more than a minute to notice that, and meanwhile the two nodes cannot agree
	// on a leader.
	routePing  = 2 * time.Second
	routePings = 2
)

// serverOptions returns the options of the server.
func (s *Server) serverOptions() (*server.Options, error) {
	o := &s.options
	host, portText, err := net.SplitHostPort(o.listen())
	if err != nil {
		return nil, fmt.Errorf("the address %q to listen on is not a host and a port", o.Listen)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("the port of %q is not a number", o.listen())
	}
	if host == "" {
		host = "0.0.0.0"
		if ip := net.ParseIP(hostOf(o.peer().Addr)); ip != nil && ip.To4() == nil {
			host = "::"
		}
	}
	password := routePassword(o.Secret)
	var routes []*url.URL
	for _, p := range o.Peers { // with this one: the first election needs the size of the cluster
		routes = append(routes, &url.URL{Scheme: "nats-route", Host: p.Addr, User: url.UserPassword(user, password)})
	}
	return &server.Options{
		ServerName: o.Node,
		// Clients are in this process. The listener cannot be left out, because routes begin only after it.
		Host: "127.0.0.1", Port: server.RANDOM_PORT, Username: user, Password: s.password, MaxConn: maxClients,
		MaxPayload: maxPayload,
		Cluster: server.ClusterOpts{
			Name: clusterName, Host: host, Port: port, Advertise: o.peer().Addr, NoAdvertise: true,
			Username: user, Password: password, AuthTimeout: authTimeout,
			TLSConfig: o.TLS, TLSTimeout: tlsTimeout,
			// One connection to each node: with more, the answer of the API may overtake a new subscription.
			PoolSize:     -1,
			Compression:  server.CompressionOpts{Mode: server.CompressionOff},
			PingInterval: routePing, MaxPingsOut: routePings,
		},
		Routes:    routes,
		JetStream: true, StoreDir: o.Dir, JetStreamMaxStore: maxStore, JetStreamMaxMemory: maxMemory,
		SyncAlways: o.SyncInterval == 0, SyncInterval: o.SyncInterval,
		LameDuckDuration: lameDuckTime, LameDuckGracePeriod: lameDuckGrace,
		NoSigs: true, NoLog: true,
	}, nil
}

func hostOf(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	return host
}

// routePassword returns the password of the connections between nodes. It is not the secret itself, so
// that no character of a secret has a meaning for the server, and so that it is not on the wire.
func routePassword(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("boreas cluster route"))
	return hex.EncodeToString(mac.Sum(nil))
}

// awaitLeader waits until there is a leader that this node follows.
func (s *Server) awaitLeader(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	told := time.Now()
	for {
		if err := s.log.failed(); err != nil {
			return fmt.Errorf("the NATS server of this node has failed: %w", err)
		}
		if s.nats.ReadyForConnections(lookEvery) && s.leader() != "" && s.nats.JetStreamIsCurrent() {
			return nil
		}
		if now := time.Now(); now.Sub(told) >= s.progress {
			told = now
			s.log.log.Info("waiting for the nodes of the cluster: the first start needs all, later ones a majority", "nodes", strings.Join(s.options.names(), ", "), "reached", strings.Join(s.connected(), ", "))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the nodes %s have no leader, which the first start of a cluster needs all nodes for, and later ones a majority: %s: %w",
				strings.Join(s.options.names(), ", "), s.reached(), ctx.Err())
		case <-tick.C:
		}
	}
}

// reached returns which other nodes this one is connected to, as a part of a sentence.
func (s *Server) reached() string {
	if connected := s.connected(); len(connected) > 0 {
		return "reached " + strings.Join(connected, ", ")
	}
	return "reached no other node"
}

// connected returns the names of the other nodes that this one is connected to, sorted.
func (s *Server) connected() []string {
	routes, err := s.nats.Routez(nil)
	if err != nil { // never for the defaults
		return nil
	}
	var names []string
	for _, r := range routes.Routes {
		if r.RemoteName != s.options.Node {
			names = append(names, r.RemoteName)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// meta returns what the server knows about the cluster, or nil.
func (s *Server) meta() *server.MetaClusterInfo {
	info, err := s.nats.Jsz(nil)
	if err != nil { // the server stops
		return nil
	}
	return info.Meta
}

func (s *Server) leader() string {
	if meta := s.meta(); meta != nil {
		return meta.Leader
	}
	return ""
}

// InProcessConn returns a connection to the server for a client of NATS in this process.
func (s *Server) InProcessConn() (net.Conn, error) { return s.nats.InProcessConn() }

// Credentials returns what a client in this process logs in with.
func (s *Server) Credentials() (name, password string) { return user, s.password }

// Status returns what this node knows about the cluster.
func (s *Server) Status() Status {
	var status Status
	if !s.nats.JetStreamEnabled() {
		status.Reason = diskFull
	} else if health := s.nats.Healthz(&server.HealthzOptions{}); health.StatusCode == 0 || health.StatusCode/100 == 2 {
		status.Ready = true
	} else {
		status.Reason = health.Error
	}
	connected, meta := s.connected(), s.meta()
	for _, name := range s.options.names() {
		if name == s.options.Node {
			continue
		}
		p := PeerStatus{Name: name, Connected: slices.Contains(connected, name)}
		if meta != nil && meta.Leader == s.options.Node {
			for _, r := range meta.Replicas {
				if r.Name == name {
					p.Current, p.Lag = r.Current && !r.Offline, r.Lag
				}
			}
		}
		status.Peers = append(status.Peers, p)
	}
	if meta != nil {
		status.Leader = meta.Leader
	}
	// A node without a majority keeps a leader until a timeout.
	if 2*(len(connected)+1) <= len(s.options.Peers) {
		status.Ready, status.Reason = false, fmt.Sprintf("no majority of the nodes %s: %s", strings.Join(s.options.names(), ", "), s.reached())
	}
	return status
}

// Shutdown hands over what this node leads and stops the server. Close the connections of clients
// before. When ctx ends, the server stops at once: other nodes then notice only by timeouts that it is
// gone.
func (s *Server) Shutdown(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.nats.LameDuckShutdown()
		s.nats.Shutdown() // if the lame duck was disturbed
		s.nats.WaitForShutdown()
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("the NATS server of this node could not hand over in time: %w", ctx.Err())
		s.nats.Shutdown()
		<-done
	}
	return errors.Join(err, removeLogin(s.options.Dir), s.lock.Close())
}
