package trial

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/boreastest"
	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/config"
	"github.com/boreas-pubsub/boreas/internal/oracle"
	"github.com/boreas-pubsub/boreas/internal/server"
)

// The channels of a trial, and what is special about them.
const (
	rooms   = 4 // presence, clients publish
	shorts  = 4 // keep shortKeeps messages
	latests = 2 // a slow reader skips
	briefs  = 2 // keep messages for briefKeeps
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

// A world is the server under test with its restarts. Its methods may be called by
// many goroutines at once, but start, restart and end by one at a time.
type world struct {
	log   *oracle.Log
	plant oracle.Plant // what the engine's liar does
	lies  atomic.Int64
	api   *boreastest.Proxy // the way to the API, which is faulty, too

	requests requests

	mu      sync.Mutex
	server  *server.Server      // guarded by mu
	engine  *witness            // guarded by mu
	proxies []*boreastest.Proxy // guarded by mu: in front of the port for subscribers
	direct  string              // guarded by mu: the API's address
}

// newWorld starts a server.
func newWorld(ctx context.Context, log *oracle.Log, plant oracle.Plant) (*world, error) {
	api, err := boreastest.NewProxy("")
	if err != nil {
		return nil, err
	}
	w := &world{log: log, plant: plant, api: api, requests: newRequests()}
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

// renew makes a new engine: the log of each channel begins another life.
func (w *world) renew(ctx context.Context) error {
	engine, err := newWitness(ctx, server.NewEngine(configuration()), w.log)
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

// start starts a server over the engine.
func (w *world) start(ctx context.Context) (*server.Server, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var engine engine.Engine = w.engine
	if w.plant != oracle.PlantNothing {
		engine = &liar{Engine: engine, plant: w.plant, every: lieEvery, count: &w.lies}
	}
	return server.Start(ctx, configuration(), server.Options{Engine: engine})
}

// lieEvery is how many deliveries there are from one mistake of the liar to the next.
const lieEvery = 20

// turnTo makes s the server that new connections go to.
func (w *world) turnTo(s *server.Server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server = s
	w.direct = s.APIAddr().String()
	w.api.SetBackend(w.direct)
	for _, p := range w.proxies {
		p.SetBackend(s.WSAddr().String())
	}
}

// turnAway makes new connections fail.
func (w *world) turnAway() (old *server.Server) {
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
	restartRolling restart = "rolling restart" // the new one is there before the old one goes
	restartQuick   restart = "restart"         // the old one goes first; the engine stays
	restartAbrupt  restart = "crash"           // all connections are reset; the engine stays
	restartAnew    restart = "new life"        // the engine goes with the old one
)

func restarts() []restart {
	return []restart{restartRolling, restartQuick, restartAbrupt, restartAnew}
}

const (
	shutdownLimit = 10 * time.Second
	shutdownHurry = time.Second
)

// restart replaces the server.
func (w *world) restart(ctx context.Context, how restart) error {
	if how == restartRolling {
		s, err := w.start(ctx)
		if err != nil {
			return err
		}
		old := w.current()
		w.turnTo(s)
		hurry(old)
		return nil
	}
	old := w.turnAway()
	if how == restartAbrupt {
		w.all(boreastest.Fault{Kind: boreastest.Reset})
		w.api.Do(boreastest.Fault{Kind: boreastest.Reset})
	}
	hurry(old)
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

// hurry stops a server. Connections that a fault keeps from ending are cut off, so it
// is no error that some are.
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

func (w *world) current() *server.Server {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.server
}

// all gives a fault to all connections of subscribers.
func (w *world) all(f boreastest.Fault) {
	for _, p := range w.subscriberProxies() {
		p.Do(f)
	}
}

func (w *world) subscriberProxies() []*boreastest.Proxy {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*boreastest.Proxy(nil), w.proxies...)
}

// proxy returns a new proxy in front of the port for subscribers.
func (w *world) proxy() (*boreastest.Proxy, error) {
	p, err := boreastest.NewProxy(w.current().WSAddr().String())
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.proxies = append(w.proxies, p)
	return p, nil
}

// heal takes all faults away, and the connections that can't be healed.
func (w *world) heal() {
	for _, p := range append(w.subscriberProxies(), w.api) {
		p.Refuse(false)
		p.Do(boreastest.Fault{Kind: boreastest.Cut})
	}
}

// end ends the server and everything else.
func (w *world) end(ctx context.Context) error {
	err := stop(ctx, w.current())
	for _, p := range append(w.subscriberProxies(), w.api) {
		p.Close()
	}
	w.requests.close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.engine.end()
	return err
}

// head returns the place of a channel's newest publication, the zero one if the engine
// is about to be replaced.
func (w *world) head(channel string) engine.Position {
	w.mu.Lock()
	eng := w.engine
	w.mu.Unlock()
	head, err := eng.head(context.Background(), channel)
	if err != nil {
		return engine.Position{}
	}
	return head
}

// tokens returns a function that returns the same token as long as the server stays
// the same, so that whoever uses it is the same user.
func (w *world) tokens() func(context.Context) (string, error) {
	var mu sync.Mutex
	var of, token string
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		w.mu.Lock()
		now := w.direct
		w.mu.Unlock()
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

// configuration is that of the server under test: soon to notice who is gone, and with
// channels of each kind.
func configuration() config.Config {
	cfg := config.Default()
	cfg.APIHost, cfg.APIPort, cfg.WSHost, cfg.WSPort = "127.0.0.1", 0, "127.0.0.1", 0
	cfg.WSPingInterval, cfg.WSPingTimeout = time.Second, time.Second
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

// call makes a request without a body, and decodes the answer.
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
