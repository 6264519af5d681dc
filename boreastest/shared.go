package boreastest

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// Shared is an engine in memory whose channels share one sequence of offsets, as in a database or a
// cluster's stream. A channel's offsets have holes, and its head is the newest publication of all
// channels. It keeps every publication. Create one with NewShared.
type Shared struct {
	// Guarded by mu.
	mu       sync.Mutex
	epoch    uint64
	head     uint64
	channels map[string]*sharedLog
	closed   bool
	reads    int
}

type sharedLog struct {
	pubs      []*engine.Publication
	keys      map[string]*engine.Publication
	followers []*sharedFollower
}

// sharedFollower is one call of Follow.
type sharedFollower struct{ engine.Follower }

// sharedEpoch is the first epoch of every Shared. Do not use a position of one Shared with another.
const sharedEpoch = 7

// NewShared returns an empty engine whose head is n, as if there were n publications on other
// channels.
func NewShared(n uint64) *Shared {
	return &Shared{epoch: sharedEpoch, head: n, channels: make(map[string]*sharedLog)}
}

// Reads returns how often Read was called.
func (e *Shared) Reads() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reads
}

func (e *Shared) log(channel string) *sharedLog {
	l := e.channels[channel]
	if l == nil {
		l = &sharedLog{keys: make(map[string]*engine.Publication)}
		e.channels[channel] = l
	}
	return l
}

// position returns the position of an offset. The caller holds mu.
func (e *Shared) position(offset uint64) engine.Position {
	return engine.Position{Epoch: e.epoch, Offset: offset}
}

// Lose starts a new epoch with empty logs, as an engine does that has lost its store, and resets
// the followers for the reason. The next publication has the offset after head.
func (e *Shared) Lose(head uint64, reason error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.epoch++
	e.head = head
	for _, name := range slices.Sorted(maps.Keys(e.channels)) {
		l := e.channels[name]
		l.pubs, l.keys = nil, make(map[string]*engine.Publication)
		for _, f := range l.followers {
			f.Reset(e.position(head), reason)
		}
	}
}

// Publish implements [engine.Engine].
func (e *Shared) Publish(_ context.Context, channel string, m engine.Message) (engine.Ack, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return engine.Ack{}, engine.ErrClosed
	}
	l := e.log(channel)
	if first := l.keys[m.Key]; m.Key != "" && first != nil {
		if string(first.Data) != string(m.Data) {
			return engine.Ack{}, engine.ErrKeyReused
		}
		return engine.Ack{Position: e.position(first.Offset), Duplicate: true}, nil
	}
	e.head++
	p := &engine.Publication{Offset: e.head, Time: time.Now().UnixNano(), Data: m.Data, Sender: m.Sender}
	l.pubs = append(l.pubs, p)
	if m.Key != "" {
		l.keys[m.Key] = p
	}
	for _, f := range l.followers {
		f.Deliver(p)
	}
	return engine.Ack{Position: e.position(p.Offset)}, nil
}

// Follow implements [engine.Engine].
func (e *Shared) Follow(_ context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return engine.Position{}, nil, engine.ErrClosed
	}
	l, f := e.log(channel), &sharedFollower{to}
	l.followers = append(l.followers, f)
	return e.position(e.head), func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		l.followers = slices.DeleteFunc(l.followers, func(o *sharedFollower) bool { return o == f })
	}, nil
}

// Read implements [engine.Engine].
func (e *Shared) Read(_ context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reads++
	if e.closed {
		return engine.History{}, engine.ErrClosed
	}
	h := engine.History{Floor: e.position(0), Head: e.position(e.head)}
	l := e.channels[channel]
	switch {
	case since.IsZero():
	case since.Epoch != e.epoch:
		return h, engine.ErrUnknownEpoch
	case since.Offset > e.head:
		return h, engine.ErrAhead
	}
	if limit.Before > e.head && limit.Before != math.MaxUint64 {
		return h, engine.ErrAhead
	}
	if l == nil {
		return h, nil
	}
	h.Publications, h.More = cut(engine.After(l.pubs, since.Offset), limit)
	return h, nil
}

// Close implements [engine.Engine].
func (e *Shared) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	return nil
}
