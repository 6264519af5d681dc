package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
	"github.com/boreas-pubsub/boreas/v2/internal/server"
	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
)

// The channels of a trial, and their rules.
const (
	rooms   = 4 // with presence; clients may publish
	shorts  = 4 // history of shortKeeps messages
	latests = 2 // slow readers skip messages
	briefs  = 2 // history of briefKeeps
	plains  = 6

	shortKeeps = 5
	briefKeeps = 300 * time.Millisecond
)

// channels returns the names of all channels of a trial.
func channels() (all []string) {
	for _, kind := range []struct {
		name string
		n    int
	}{{"room", rooms}, {"short", shorts}, {"latest", latests}, {"brief", briefs}, {"plain", plains}} {
		for i := range kind.n {
			all = append(all, fmt.Sprintf("%s.%d", kind.name, i))
		}
	}
	return all
}

// An instance is a running server.
type instance interface {
	apiAddr() string
	wsAddr() string

	// publish publishes a message and returns its position.
	publish(ctx context.Context, channel string, data []byte) (position string, err error)

	// head returns the position of a channel's newest message.
	head(ctx context.Context, channel string) (engine.Position, error)

	// hurry stops the server soon. stop also waits for its connections, and reports an error.
	hurry()
	stop(ctx context.Context) error
}

// A world is the server under test, with its restarts. Its methods are safe for concurrent use,
// except that only one call of start, restart and end may run at a time.
type world struct {
	disk    bool      // the server is a child, with messages on disk
	cluster *cluster  // not nil if several nodes are the server
	times   *timeline // of a cluster, set by end
	log     *oracle.Log
	plant   oracle.Plant // the bug of the liar
	lies    atomic.Int64
	api     *faultproxy.Proxy // in front of the API

	requests requests

	mu sync.Mutex

	// Guarded by mu.
	server  instance
	engine  *witness            // nil with disk
	dirs    []string            // with disk, the data directories of all lives
	proxies []*faultproxy.Proxy // in front of the subscribers' port
	direct  string              // the API's address
}

// newWorld starts a server.
func newWorld(ctx context.Context, log *oracle.Log, o Options) (*world, error) {
	if o.Disk && o.ServerPlant != oracle.PlantNothing {
		return nil, errors.New("no mistake can be planted in a server that keeps its messages on disk")
	}
	api, err := faultproxy.New("")
	if err != nil {
		return nil, err
	}
	w := &world{disk: o.Disk, log: log, plant: o.ServerPlant, api: api, requests: newRequests()}
	if o.Cluster {
		if w.cluster, err = startCluster(ctx, w.requests, o); err != nil {
			w.close()
			return nil, err
		}
		w.turnTo(w.cluster)
		return w, nil
	}
	if err := w.renew(ctx); err != nil {
		return nil, err
	}
	s, err := w.start(ctx)
	if err != nil {
		return nil, err
	}
	w.turnTo(s)
	return w, nil
}

// renew creates a new engine or data directory, so each channel's log starts a new life. No server
// is running.
func (w *world) renew(ctx context.Context) error {
	if w.disk {
		dir, err := os.MkdirTemp("", "trial-")
		if err != nil {
			return err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := len(w.dirs); n > 0 {
			err = recordDirectory(ctx, w.dirs[n-1], w.log)
		}
		w.dirs = append(w.dirs, dir)
		return err
	}
	logs, err := server.NewEngine(ctx, configuration(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	engine, err := newWitness(ctx, logs, w.log)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.engine != nil {
		w.engine.end()
	}
	w.engine = engine
	return nil
}

// start starts a server with the current engine.
func (w *world) start(ctx context.Context) (instance, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.disk {
		return startChild(ctx, "the server", childDir, w.dirs[len(w.dirs)-1], w.requests)
	}
	var engine engine.Engine = w.engine
	if w.plant != oracle.PlantNothing {
		engine = &liar{Engine: engine, plant: w.plant, count: &w.lies}
	}
	s, err := server.Start(ctx, configuration(), server.Options{Engine: engine})
	return local{s, w.engine}, err
}

// turnTo directs new connections to s.
func (w *world) turnTo(s instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server = s
	w.direct = s.apiAddr()
	w.api.SetBackend(w.direct)
	for _, p := range w.proxies {
		p.SetBackend(s.wsAddr())
	}
}

// turnAway makes new connections fail. It returns the current server.
func (w *world) turnAway() (old instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.api.SetBackend("")
	for _, p := range w.proxies {
		p.SetBackend("")
	}
	return w.server
}

// A restart is a way to replace the server.
type restart string

const (
	restartRolling restart = "rolling restart" // the new server starts before the old one stops
	restartQuick   restart = "restart"         // the old server stops first; the engine stays
	restartAbrupt  restart = "crash"           // the process is killed, or all connections are reset; the engine stays
	restartAnew    restart = "new life"        // the engine is replaced as well
)

// restarts returns the ways to replace the server. Two servers cannot use one directory, so there is
// no rolling restart with disk.
func (w *world) restarts() []restart {
	if w.cluster != nil {
		return []restart{nodeKilled, nodeSuspended, nodeStopped, nodeKilled}
	}
	if w.disk {
		return []restart{restartQuick, restartAbrupt, restartAbrupt, restartAnew}
	}
	return []restart{restartRolling, restartQuick, restartAbrupt, restartAnew}
}

const (
	shutdownLimit = 30 * time.Second
	shutdownHurry = time.Second
)

// restart replaces the server.
func (w *world) restart(ctx context.Context, how restart, r *rand.Rand) error {
	if w.cluster != nil {
		defer w.turn()
		return w.cluster.failNode(ctx, how, r.IntN(nodes), downFor(r), w.turn)
	}
	if how == restartRolling {
		s, err := w.start(ctx)
		if err != nil {
			return err
		}
		old := w.current()
		w.turnTo(s)
		old.hurry()
		return nil
	}
	old := w.turnAway()
	if c, ok := old.(*child); ok && how == restartAbrupt {
		c.kill()
	} else if how == restartAbrupt {
		w.all(faultproxy.Failure{Kind: faultproxy.Reset})
		w.api.Do(faultproxy.Failure{Kind: faultproxy.Reset})
	}
	old.hurry()
	if how == restartAnew {
		if err := w.renew(ctx); err != nil {
			return err
		}
	}
	s, err := w.start(ctx)
	if err != nil {
		return err
	}
	w.turnTo(s)
	return nil
}

// local is a server in this process.
type local struct {
	*server.Server
	engine *witness
}

func (s local) apiAddr() string { return s.APIAddr().String() }
func (s local) wsAddr() string  { return s.WSAddr().String() }

func (s local) publish(ctx context.Context, channel string, data []byte) (string, error) {
	ack, err := s.Hub().Publish(ctx, channel, engine.Message{Data: data})
	return ack.Position.String(), err
}

func (s local) head(ctx context.Context, channel string) (engine.Position, error) {
	return s.engine.head(ctx, channel)
}

func (s local) hurry()                         { hurry(s.Server) }
func (s local) stop(ctx context.Context) error { return stop(ctx, s.Server) }

// hurry shuts a server down. It ignores the error, because a failure may keep connections from
// ending, and those are closed.
func hurry(s *server.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownHurry)
	defer cancel()
	s.Shutdown(ctx) //nolint:errcheck // see above
}

func stop(ctx context.Context, s *server.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	return nil
}

func (w *world) current() instance {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.server
}

// address returns the address of the current server's API. It changes when the server is replaced.
func (w *world) address() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.direct
}

// apis returns the addresses of the API of each server.
func (w *world) apis() []string {
	if w.cluster != nil {
		return w.cluster.apis()
	}
	return []string{w.current().apiAddr()}
}

// all causes a failure in the connections of all subscribers.
func (w *world) all(f faultproxy.Failure) {
	for _, p := range w.subscriberProxies() {
		p.Do(f)
	}
}

func (w *world) subscriberProxies() []*faultproxy.Proxy {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*faultproxy.Proxy(nil), w.proxies...)
}

// proxy returns a new proxy in front of the subscribers' port.
func (w *world) proxy() (*faultproxy.Proxy, error) {
	p, err := faultproxy.New(w.current().wsAddr())
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.proxies = append(w.proxies, p)
	return p, nil
}

// heal removes all failures, and closes the connections that have a permanent one.
func (w *world) heal() {
	for _, p := range append(w.subscriberProxies(), w.api) {
		p.Refuse(false)
		p.Do(faultproxy.Failure{Kind: faultproxy.Cut})
	}
}

// close ends all connections.
func (w *world) close() {
	for _, p := range append(w.subscriberProxies(), w.api) {
		p.Close()
	}
	w.requests.close()
}

// end shuts the server down and closes everything else.
func (w *world) end(ctx context.Context) error {
	err := w.current().stop(ctx)
	w.close()
	if w.cluster != nil {
		times, unread := w.cluster.record(ctx, w.log)
		w.times = times
		return errors.Join(err, unread, w.cluster.end())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.disk {
		w.engine.end()
		return err
	}
	err = errors.Join(err, recordDirectory(ctx, w.dirs[len(w.dirs)-1], w.log))
	for _, dir := range w.dirs {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// head returns the position of a channel's newest publication. It returns the zero position if that
// is not known: the engine is being replaced, or several nodes have the channel, one of which may be
// late.
func (w *world) head(channel string) engine.Position {
	if w.cluster != nil {
		return engine.Position{}
	}
	return w.newest(channel)
}

// newest is head at a time when nothing is published. It is also known for several nodes.
func (w *world) newest(channel string) engine.Position {
	head, err := w.current().head(context.Background(), channel)
	if err != nil {
		return engine.Position{}
	}
	return head
}

// tokens returns a function that returns a token. It returns the same token until the server is
// replaced, so that its caller stays the same user.
func (w *world) tokens() func(context.Context) (string, error) {
	if w.cluster != nil {
		token := w.cluster.token()
		return func(context.Context) (string, error) { return token, nil }
	}
	var mu sync.Mutex
	var of, token string
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		now := w.address()
		if of == now {
			return token, nil
		}
		var answer struct{ Token string }
		if err := w.call(ctx, http.MethodPost, "http://"+now+"/token/", &answer); err != nil {
			return "", err
		}
		of, token = now, answer.Token
		return token, nil
	}
}

// configuration returns the configuration of the server under test. It detects lost connections
// soon, and has channels of each kind.
func configuration() config.Config {
	cfg := config.Default()
	cfg.APIHost, cfg.APIPort, cfg.WSHost, cfg.WSPort = "127.0.0.1", 0, "127.0.0.1", 0
	cfg.WSPingInterval, cfg.WSPingTimeout = time.Second, time.Second
	cfg.CompressionMin = 1
	cfg.DrainTime = 300 * time.Millisecond
	cfg.PresenceLinger = 500 * time.Millisecond
	few, some, brief := shortKeeps, 50, briefKeeps
	cfg.Rules = []config.Rule{
		{Pattern: "room.*", Presence: boreas.PresenceFull, ClientPublish: true},
		{Pattern: "short.*", HistoryMessages: &few},
		{Pattern: "latest.*", HistoryMessages: &some, Latest: true},
		{Pattern: "brief.*", HistoryAge: &brief},
	}
	return cfg
}

// call sends a request without a body, and decodes the response.
func (w *world) call(ctx context.Context, method, url string, answer any) error {
	status, text, err := w.requests.send(ctx, method, url, nil, nil)
	if err != nil {
		return err
	}
	if status < 200 || status > 299 {
		return fmt.Errorf("%s %s: %d %.300s", method, url, status, text)
	}
	return json.Unmarshal(text, answer)
}
