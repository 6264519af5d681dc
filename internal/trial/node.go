package trial

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
	"github.com/boreas-pubsub/boreas/v2/internal/server"
	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
)

// nodeTask is the environment variable with the nodeOptions of a node in a process of its own.
const nodeTask = "TRIAL_NODE"

const (
	// nodes is the number of servers that share the messages.
	nodes = 3

	// clusterHistory is more than a trial publishes: the truth is read from the stream.
	clusterHistory = 512 << 20

	// keyWindow is how long a key is remembered. It is longer than a trial takes on a busy machine: a
	// subscriber repeats a message until it is acknowledged.
	keyWindow = time.Hour

	// clusterPing is the interval of pings, and the time for an answer.
	clusterPing = 3 * time.Second

	// clockError is how wrong a clock is. tokenLife is longer, so that tokens are valid by all clocks.
	clockError = time.Hour
	tokenLife  = 3 * clockError

	// clusterTry bounds one attempt to publish at a node, which may be suspended.
	clusterTry = 5 * time.Second
)

// nodeOptions is how a node is started.
type nodeOptions struct {
	Name, Key string
	Servers   []string      // HOST:PORT
	Clock     time.Duration // how far its clock is ahead of this machine's
	Linger    time.Duration // the presence linger, if not 0
	Plant     oracle.Plant  // the bug of its engine
}

// serveNode runs a node until ctx ends.
func serveNode(ctx context.Context, task string, ready func(string)) error {
	var o nodeOptions
	if err := json.Unmarshal([]byte(task), &o); err != nil {
		return err
	}
	cfg := configuration()
	cfg.Engine, cfg.Node, cfg.ClusterHistory = "nats://"+strings.Join(o.Servers, ","), o.Name, clusterHistory
	cfg.HistoryMessages, cfg.HistoryBytes, cfg.HistoryAge = 1<<20, 1<<30, 24*time.Hour
	cfg.IdempotencyWindow = keyWindow
	// A machine that runs six servers and all clients may stop each of them for seconds.
	cfg.WSPingInterval, cfg.WSPingTimeout = clusterPing, clusterPing
	if o.Linger != 0 { // a test of presence: no client is to be lost because the machine is busy
		cfg.PresenceLinger, cfg.WSPingTimeout = o.Linger, 30*time.Second
	}
	// A token of one node must be valid at all.
	cfg.JWTKeys, cfg.JWTDefaultRules = "hs256:"+o.Key, `[{"channels":["**"],"allow":["join","publish","history","presence"]}]`
	clock.Step(o.Clock)
	var options server.Options
	if o.Plant != oracle.PlantNothing {
		options.WrapEngine = func(e engine.Engine) engine.Engine {
			return &liar{Engine: e, plant: o.Plant, count: new(atomic.Int64)}
		}
	}
	return serveUntil(ctx, cfg, options, ready)
}

// cluster are nodes that share the messages, and the NATS servers that keep them. It is an instance:
// a request goes to any node that is up.
type cluster struct {
	dir      string
	secret   []byte
	key      string // the file with the secret
	servers  *fleet
	requests requests
	plant    oracle.Plant
	clocks   bool // the nodes' clocks differ
	linger   time.Duration
	truth    *nats.Conn // for questions to the stream

	mu sync.Mutex

	// Guarded by mu.
	up    [nodes]*child
	away  [nodes]bool // the node is suspended or stops, so new connections go to others
	users int
}

func newCluster(r requests) *cluster {
	c := &cluster{requests: r, secret: make([]byte, sha256.Size)}
	rand.Read(c.secret) // never fails, see crypto/rand
	return c
}

// startCluster starts the servers and the nodes.
func startCluster(ctx context.Context, r requests, o Options) (*cluster, error) {
	c := newCluster(r)
	c.plant, c.clocks = o.ServerPlant, o.Clocks
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.end())
	}
	return c, nil
}

func (c *cluster) start(ctx context.Context) (err error) {
	if c.dir, err = os.MkdirTemp("", "trial-"); err != nil {
		return err
	}
	c.key = filepath.Join(c.dir, "key")
	if err := os.WriteFile(c.key, c.secret, 0o600); err != nil {
		return err
	}
	if c.servers, err = startFleet(ctx, c.dir); err != nil {
		return err
	}
	o := natsconn.Options{Node: "trial"}
	for _, address := range c.servers.addresses() {
		o.URLs = append(o.URLs, "nats://"+address)
	}
	if c.truth, err = o.Connect(ctx, "truth"); err != nil {
		return err
	}
	if err := awaitServers(ctx, c.truth); err != nil {
		return err
	}
	var starting sync.WaitGroup
	errs := make([]error, nodes)
	for i := range nodes {
		starting.Go(func() { errs[i] = c.startNode(ctx, i) })
	}
	starting.Wait()
	return errors.Join(errs...)
}

func (c *cluster) startNode(ctx context.Context, i int) error {
	name := fmt.Sprintf("n%d", i)
	task, err := json.Marshal(nodeOptions{Name: name, Servers: c.servers.addresses(), Key: c.key, Plant: c.plant, Clock: c.clock(i), Linger: c.linger})
	if err != nil {
		return err
	}
	n, err := startChild(ctx, "node "+name, nodeTask, string(task), c.requests)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up[i], c.away[i] = n, false
	return nil
}

// clock returns how far the clock of a node is ahead: that of the first one by an hour, and that of the
// last one by minus an hour.
func (c *cluster) clock(i int) time.Duration {
	if !c.clocks {
		return 0
	}
	return time.Duration(1-i) * clockError
}

// node returns a node, and sets whether new connections avoid it.
func (c *cluster) node(i int, away bool) *child {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away[i] = away
	return c.up[i]
}

// forget records that a node is not running.
func (c *cluster) forget(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up[i] = nil
}

// any returns a node that is up, at random. It returns nil if there is none.
func (c *cluster) any() *child {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range mathrand.Perm(nodes) { // the plan of the trial does not depend on it
		if c.up[i] != nil && !c.away[i] {
			return c.up[i]
		}
	}
	return nil
}

func (c *cluster) apiAddr() string {
	if n := c.any(); n != nil {
		return n.api
	}
	return ""
}

// apis returns the addresses of the API of all nodes that are up.
func (c *cluster) apis() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.up {
		if n != nil {
			all = append(all, n.api)
		}
	}
	return all
}

func (c *cluster) wsAddr() string {
	if n := c.any(); n != nil {
		return n.ws
	}
	return ""
}

// publish publishes a message at any node, until one has acknowledged it.
func (c *cluster) publish(ctx context.Context, channel string, data []byte) (position string, err error) {
	key := rand.Text()
	for {
		if n := c.any(); n != nil {
			try, cancel := context.WithTimeout(ctx, clusterTry)
			position, err = n.publishKey(try, channel, data, key)
			cancel()
			if err == nil {
				return position, nil
			}
		}
		if !pause(ctx, retryPause) {
			return "", errors.Join(err, ctx.Err())
		}
	}
}

// head asks the leader of the stream for the newest message of a channel.
func (c *cluster) head(ctx context.Context, channel string) (engine.Position, error) {
	return newestInStream(ctx, c.truth, channel)
}

// token returns a token for a new user.
func (c *cluster) token() string {
	c.mu.Lock()
	c.users++
	user := fmt.Sprintf("user-%d", c.users)
	c.mu.Unlock()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil, `{"sub":%q,"exp":%d}`, user, time.Now().Add(tokenLife).Unix()))
	mac := hmac.New(sha256.New, c.secret)
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

func (c *cluster) hurry() {}

// stop stops the nodes, and leaves the servers for record.
func (c *cluster) stop(context.Context) error {
	c.mu.Lock()
	all := c.up
	c.up = [nodes]*child{}
	c.mu.Unlock()
	errs := make([]error, nodes)
	var stopping sync.WaitGroup
	for i, n := range all {
		if n != nil {
			stopping.Go(func() { errs[i] = n.finish() })
		}
	}
	stopping.Wait()
	return errors.Join(errs...)
}

// end stops everything and removes the files.
func (c *cluster) end() error {
	err := c.stop(context.Background())
	if c.truth != nil {
		c.truth.Close()
	}
	if c.servers != nil {
		err = errors.Join(err, c.servers.end())
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

// record appends the messages of the stream to the oracle's log. No node is running.
func (c *cluster) record(ctx context.Context, log *oracle.Log) (*timeline, error) {
	ctx, cancel := context.WithTimeout(ctx, recordLimit)
	defer cancel()
	return recordStream(ctx, c.truth, log)
}
