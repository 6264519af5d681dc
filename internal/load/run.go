package load

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/client"
)

const (
	connecting    = 64 // connections that are made at the same time
	drainQuiet    = 2 * time.Second
	drainPoll     = 20 * time.Millisecond
	progressEvery = time.Second
	goodbyeLimit  = 5 * time.Second
)

// A Progress is the state of a run.
type Progress struct {
	Phase      string // "connecting", "publishing" or "waiting for the rest"
	Elapsed    time.Duration
	Connected  int
	Published  uint64 // so far
	Deliveries uint64 // so far
}

// A run is one load.
type run struct {
	// Immutable after newRun.
	o          Options
	id         string
	channels   []string
	publishers []*publisher
	shards     []*shard

	// Safe for concurrent use.
	phase     atomic.Pointer[string]
	connected atomic.Int64
	answered  atomic.Uint64
	reading   sync.WaitGroup

	// Guarded by the mutex of connect while it runs. Owned by the goroutine of Run afterwards.
	readers  []*subscriber
	slow     []*subscriber
	connects histogram

	// Owned by the goroutine of Run.
	start       time.Time // when publishing started
	connectTime time.Duration
	publishTime time.Duration
	cpu         time.Duration
}

// Run puts the load on the server and returns the report. If the context ends while Run publishes,
// it stops early and reports the figures so far. It closes all connections and deletes its token.
func Run(ctx context.Context, o Options) (*Report, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	api, err := client.New(client.Options{API: o.API, Key: o.Key})
	if err != nil {
		return nil, err
	}
	defer api.Close()
	token, err := api.NewToken(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeLimit)
		defer cancel()
		_ = api.DeleteToken(ctx, token) // an old server without this call keeps the token
	}()

	r, err := newRun(o)
	if err != nil {
		return nil, err
	}
	stop := r.showProgress()
	defer stop()
	defer r.hangUp()
	if err := r.connect(ctx, token); err != nil {
		return nil, err
	}
	r.load(ctx)
	r.drain(ctx)
	r.hangUp()
	return r.report(ctx), nil
}

func newRun(o Options) (*run, error) {
	var random [runDigits / 2]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, err
	}
	r := &run{o: o, id: fmt.Sprintf("%x", random)}
	r.enter("connecting")
	for i := range o.Channels {
		r.channels = append(r.channels, fmt.Sprintf("bench-%s-%d", r.id, i))
	}
	for range 4 * runtime.GOMAXPROCS(0) {
		r.shards = append(r.shards, &shard{})
	}
	message, at := payload(r.id, o.Size)
	const open, end = `{"payload": `, `}`
	to, err := newEndpoint(o.API, o.Key, r.channels, len(open)+len(message)+len(end))
	if err != nil {
		return nil, err
	}
	for i := range o.Publishers {
		p := &publisher{
			number: i, to: to, body: fmt.Appendf(nil, "%s%s%s", open, message, end), markAt: len(open) + at,
			sent: make([]uint32, o.Channels), taken: make([]uint32, o.Channels), answered: &r.answered,
		}
		if o.Rate > 0 {
			apart := float64(time.Second) / o.Rate
			p.pace = pace{first: time.Duration(float64(i) * apart), interval: max(1, time.Duration(apart*float64(o.Publishers)))}
		}
		r.publishers = append(r.publishers, p)
	}
	return r, nil
}

func (r *run) enter(phase string) { r.phase.Store(&phase) }

// connect opens all connections. When it returns, each has joined its channels.
func (r *run) connect(ctx context.Context, token string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	all := r.o.Subscribers + r.o.Slow
	numbers := make(chan int)
	var mu sync.Mutex // guards r.readers, r.slow, r.connects
	var workers sync.WaitGroup
	for range min(connecting, all) {
		workers.Go(func() {
			for i := range numbers {
				began := time.Now()
				s, err := r.subscribe(ctx, i, token)
				if err != nil {
					cancel(fmt.Errorf("subscriber %d of %d: %w", i+1, all, err))
					continue
				}
				r.connected.Add(1)
				mu.Lock()
				r.connects.record(time.Since(began))
				if i < r.o.Subscribers {
					r.readers = append(r.readers, s)
				} else {
					r.slow = append(r.slow, s)
				}
				mu.Unlock()
			}
		})
	}
	for i := 0; i < all && ctx.Err() == nil; i++ {
		if r.o.ConnectRate > 0 {
			at := time.Duration(float64(i) / r.o.ConnectRate * float64(time.Second))
			_ = wait(ctx, at-time.Since(began)) // the loop checks ctx
		}
		select {
		case numbers <- i:
		case <-ctx.Done():
		}
	}
	close(numbers)
	workers.Wait()
	r.connectTime = time.Since(began)
	return context.Cause(ctx)
}

// subscribe opens one connection. Consecutive subscribers join consecutive channels.
func (r *run) subscribe(ctx context.Context, i int, token string) (*subscriber, error) {
	size := min(max(bufferBudget/r.o.Subscribers, minBuffer), maxBuffer)
	first := i * r.o.Joins % r.o.Channels
	s := &subscriber{buffer: make([]byte, size), find: finder{prefix: []byte(r.id + ".")}, shard: r.shards[i%len(r.shards)]}
	s.ledger = newLedger(first, r.o.Joins, r.o.Channels, r.o.Publishers)
	joins := make([]string, r.o.Joins)
	for k := range joins {
		joins[k] = r.channels[(first+k)%r.o.Channels]
	}
	if err := s.connect(ctx, r.o.WS, token, joins); err != nil {
		return nil, err
	}
	if tcp, ok := socketOf(s.conn).(interface{ SetReadBuffer(int) error }); ok && i >= r.o.Subscribers {
		if err := tcp.SetReadBuffer(slowBuffer); err != nil {
			return nil, fmt.Errorf("make the buffer of a slow subscriber small: %w", err)
		}
	}
	return s, nil
}

// load publishes while the subscribers read.
func (r *run) load(ctx context.Context) {
	r.enter("publishing")
	r.start = time.Now()
	r.cpu = -cpuTime()
	for _, s := range r.readers {
		r.reading.Go(func() { s.read(r.start) })
	}
	var publishing sync.WaitGroup
	for _, p := range r.publishers {
		publishing.Go(func() { p.publish(ctx, r.start, r.o.Duration) })
	}
	publishing.Wait()
	r.publishTime = time.Since(r.start)
	r.cpu += cpuTime()
}

// drain waits until all published messages have been delivered, or no more are delivered.
func (r *run) drain(ctx context.Context) {
	r.enter("waiting for the rest")
	due := r.due()
	seen, quietSince := r.deliveries(), time.Now()
	for seen < due && time.Since(quietSince) < drainQuiet {
		if wait(context.WithoutCancel(ctx), drainPoll) != nil {
			return
		}
		if now := r.deliveries(); now != seen {
			seen, quietSince = now, time.Now()
		}
	}
}

// due returns how many deliveries all readers together should receive.
func (r *run) due() uint64 {
	perChannel := make([]uint64, len(r.channels))
	for _, p := range r.publishers {
		for c, n := range p.taken {
			perChannel[c] += uint64(n)
		}
	}
	var due uint64
	for _, s := range r.readers {
		for k := range s.ledger.channels {
			due += perChannel[(s.ledger.first+k)%len(r.channels)]
		}
	}
	return due
}

func (r *run) deliveries() (n uint64) {
	for _, s := range r.shards {
		n += s.deliveries.Load()
	}
	return n
}

// hangUp closes the connections and waits for the readers. A second call does nothing.
func (r *run) hangUp() {
	for _, s := range slices.Concat(r.readers, r.slow) {
		s.hangUp()
	}
	r.reading.Wait()
}

// showProgress calls Options.Progress about once per second until stop is called.
func (r *run) showProgress() (stop func()) {
	began := time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	var showing sync.WaitGroup
	showing.Go(func() {
		for wait(ctx, progressEvery) == nil {
			r.o.Progress(Progress{
				Phase: *r.phase.Load(), Elapsed: time.Since(began), Connected: int(r.connected.Load()),
				Published: r.answered.Load(), Deliveries: r.deliveries(),
			})
		}
	})
	return func() {
		cancel()
		showing.Wait()
	}
}
