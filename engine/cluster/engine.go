package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// Engine keeps publications in a stream of NATS JetStream. [Open] returns one.
//
// Lock order: Engine.life, tail.mu, the lock of a log.
type Engine struct {
	// Immutable after Open.
	options Options
	log     *slog.Logger
	id      string // identifies this engine in headers; see headerSender
	names   names
	table   *channellog.Table

	// One connection for each purpose, so that a long read never delays an acknowledgement.
	publishing, reading, tailing *nats.Conn

	publisher jetstream.JetStream
	consumers jetstream.JetStream

	life  sync.RWMutex // held for writing while the epoch changes
	epoch uint64       // guarded by life

	base uint64 // the stream has nothing up to here, or of another epoch; guarded by life

	began uint64 // sequence of the marker with which this epoch began; 0 if this node was not open then; guarded by life

	created time.Time // when the stream was created, or zero if that is not known; guarded by life

	tail     tail
	consumer consumer
	health   health

	late chan uint64   // for the watch; see hurry
	cold chan struct{} // has a value for each reader of the servers

	opened   bool               // the tail has everything that the stream had at the start
	stop     context.CancelFunc // ends the background goroutines
	stopped  <-chan struct{}
	running  sync.WaitGroup
	closed   atomic.Bool
	counters counters
}

var (
	_ engine.Engine    = (*Engine)(nil)
	_ engine.Batcher   = (*Engine)(nil)
	_ engine.Peeker    = (*Engine)(nil)
	_ engine.Punctual  = (*Engine)(nil)
	_ engine.Readier   = (*Engine)(nil)
	_ engine.Lister    = (*Engine)(nil)
	_ engine.Counter   = (*Engine)(nil)
	_ engine.Relimiter = (*Engine)(nil)
	_ engine.Purger    = (*Engine)(nil)
	_ engine.Stater    = (*Engine)(nil)
)

// Open connects to the servers, creates the stream if there is none, and reads its newest part into
// memory. It returns when this node has all that the stream has. If ctx ends first, the error says
// what it was waiting for.
func Open(ctx context.Context, o Options) (*Engine, error) {
	o.setDefaults()
	if err := o.Servers.Check(); err != nil {
		return nil, err
	}
	background, cancel := context.WithCancel(context.Background())
	e := &Engine{
		options: o, log: o.Logger, id: newID(), names: newNames(&o.Servers),
		cold: make(chan struct{}, coldReaders), late: make(chan uint64, 1),
		stop: cancel, stopped: background.Done(),
	}
	e.tail.waiters = make(map[uint64][]chan struct{})
	if err := e.open(ctx, background); err != nil {
		e.Close() //nolint:errcheck // the first error says more
		return nil, err
	}
	return e, nil
}

func (o *Options) setDefaults() {
	o.Replicas = cmp.Or(o.Replicas, DefaultReplicas)
	o.Messages = cmp.Or(o.Messages, DefaultMessages)
	o.Age = cmp.Or(o.Age, DefaultAge)
	o.History = cmp.Or(o.History, DefaultHistory)
	o.Memory = cmp.Or(o.Memory, DefaultMemory)
	o.KeyWindow = cmp.Or(o.KeyWindow, DefaultKeyWindow)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Servers.Log == nil {
		o.Servers.Log = o.Logger
	}
}

// newID returns a random text.
func newID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return hex.EncodeToString(b[:])
}

func (e *Engine) open(ctx, background context.Context) (err error) {
	for _, c := range []struct {
		connection **nats.Conn
		purpose    string
	}{{&e.publishing, "publish"}, {&e.reading, "read"}, {&e.tailing, "tail"}} {
		if *c.connection, err = e.options.Servers.Connect(ctx, c.purpose); err != nil {
			return err
		}
	}
	if e.publisher, err = jetstream.New(e.publishing,
		jetstream.WithPublishAsyncMaxPending(maxUnacknowledged), jetstream.WithPublishAsyncTimeout(tryTimeout)); err != nil {
		return err
	}
	if e.consumers, err = jetstream.New(e.tailing); err != nil {
		return err
	}
	stream, err := e.ensureStream(ctx)
	if err != nil {
		return err
	}
	e.table = newTable(&e.options, keptOf(stream.MaxMsgsPerSubject, stream.Metadata))
	if err := e.openEpoch(ctx); err != nil {
		return err
	}
	if err := e.startTail(ctx); err != nil {
		return err
	}
	e.opened = true
	e.running.Go(func() { e.watch(background) })
	e.running.Go(func() { e.beat(background) })
	if e.options.StateFile != "" {
		e.running.Go(func() { e.saveStates(background) })
	}
	return nil
}

// newTable returns the logs in memory. Kept is the number of messages of a channel that the
// stream promises; see keptOf. Another node may have made the stream with other limits; no log may have
// more than the stream promises, see startTail.
func newTable(o *Options, kept int64) *channellog.Table {
	messages, limits := o.Messages, o.Limits
	if most := int(kept); most > 0 {
		messages = min(messages, most)
		if o.Limits != nil {
			limits = func(channel string) engine.Retention {
				r := o.Limits(channel)
				r.Messages = min(r.Messages, most)
				return r
			}
		}
	}
	return channellog.New(channellog.Options{
		Messages: messages, Bytes: math.MaxInt64, Age: o.Age, Memory: o.Memory, KeyWindow: -1, Limits: limits,
	})
}

// position returns a place in the current epoch. The caller holds life.
func (e *Engine) position(offset uint64) engine.Position {
	return engine.Position{Epoch: e.epoch, Offset: offset}
}

// Follow implements [engine.Engine]. It never waits.
func (e *Engine) Follow(_ context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	e.life.RLock()
	defer e.life.RUnlock()
	if e.closed.Load() {
		return engine.Position{}, nil, engine.ErrClosed
	}
	// Everything up to this offset is in the logs, so what is delivered from now on comes after it.
	at := e.tail.at.Load()
	_, head, stop, err := e.table.Follow(channel, to)
	if err != nil {
		return engine.Position{}, nil, err
	}
	return e.position(max(at, head)), stop, nil
}

// CountAfter implements [engine.Counter]. It counts the publications in the memory of this node.
func (e *Engine) CountAfter(channel string, since engine.Position) int {
	e.life.RLock()
	defer e.life.RUnlock()
	return e.table.CountAfter(channel, since, func(bool) uint64 { return e.epoch })
}

// Published implements [engine.Counter]. It counts what this node has read from the stream.
func (e *Engine) Published(channel string) uint64 { return e.table.Published(channel) }

// MostPublished implements [engine.Counter].
func (e *Engine) MostPublished(prefix string, limit int) []engine.Published {
	return e.table.MostPublished(prefix, limit)
}

// Relimit implements [engine.Relimiter].
func (e *Engine) Relimit() { e.table.Relimit() }

// ListChannels implements [engine.Lister]. It lists the channels that have publications in the memory
// of this node. Errors: [engine.ErrClosed], those of ctx.
func (e *Engine) ListChannels(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	return e.table.ListChannels(ctx, prefix, after, limit)
}

// Punctual implements [engine.Punctual]: publishing waits for servers only until its context ends.
func (e *Engine) Punctual() bool { return true }

// Close implements [engine.Engine].
func (e *Engine) Close() error {
	if e.closed.Swap(true) {
		return engine.ErrClosed
	}
	e.stop()
	e.consumer.end()
	e.running.Wait()
	if e.opened && e.options.StateFile != "" {
		e.saveState()
	}
	for _, nc := range []*nats.Conn{e.publishing, e.reading, e.tailing} {
		if nc != nil {
			nc.Close()
		}
	}
	if e.table == nil {
		return nil // Open has failed
	}
	return e.table.Close()
}

// pause waits, and reports false if the engine is closed or ctx ends first.
func (e *Engine) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-e.stopped:
		return false
	}
}

// unavailable returns the error of a call that the servers did not answer.
func unavailable(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", engine.ErrUnavailable, what, err)
}

// moment returns the moment of a time of the wall clock. A time in the future is now.
func moment(wall int64) clock.Mono {
	mono, now := clock.Both()
	return mono - clock.Mono(max(now-wall, 0))
}
