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
	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/config"
	"github.com/boreas-pubsub/boreas/internal/faultproxy"
	"github.com/boreas-pubsub/boreas/internal/server"
	"github.com/boreas-pubsub/boreas/internal/trial/oracle"
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

// A world is the server under test, with its restarts. Its methods are safe for concurrent use,
// except that only one call of start, restart and end may run at a time.
type world struct {
	log   *oracle.Log
	plant oracle.Plant // the bug of the liar
	lies  atomic.Int64
	api   *faultproxy.Proxy // in front of the API

	requests requests

	mu sync.Mutex

	// Guarded by mu.
	server  *server.Server
	engine  *witness
	proxies []*faultproxy.Proxy // in front of the subscribers' port
	direct  string              // the API's address
}

// newWorld starts a server.
func newWorld(ctx context.Context, log *oracle.Log, plant oracle.Plant) (*world, error) {
	api, err := faultproxy.New("")
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

// renew creates a new engine, so each channel's log starts a new life.
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

// start starts a server with the current engine.
func (w *world) start(ctx context.Context) (*server.Server, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var engine engine.Engine = w.engine
	if w.plant != oracle.PlantNothing {
		engine = &liar{Engine: engine, plant: w.plant, every: lieEvery, count: &w.lies}
	}
	return server.Start(ctx, configuration(), server.Options{Engine: engine})
}

// lieEvery is the number of deliveries from one mistake of the liar to the next.
const lieEvery = 20

// turnTo directs new connections to s.
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

// turnAway makes new connections fail. It returns the current server.
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
	restartRolling restart = "rolling restart" // the new server starts before the old one stops
	restartQuick   restart = "restart"         // the old server stops first; the engine stays
	restartAbrupt  restart = "crash"           // all connections are reset; the engine stays
	restartAnew    restart = "new life"        // the engine is replaced as well
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
		w.all(faultproxy.Failure{Kind: faultproxy.Reset})
		w.api.Do(faultproxy.Failure{Kind: faultproxy.Reset})
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

func (w *world) current() *server.Server {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.server
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
	p, err := faultproxy.New(w.current().WSAddr().String())
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

// end shuts the server down and closes everything else.
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

// head returns the position of a channel's newest publication. It returns the zero position if the
// engine is being replaced.
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

// tokens returns a function that returns a token. It returns the same token until the server is
// replaced, so that its caller stays the same user.
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

// configuration returns the configuration of the server under test. It detects lost connections
// soon, and has channels of each kind.
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
