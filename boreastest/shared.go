package boreastest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/engine"
)

// Shared is an engine in memory whose channels share one sequence of offsets, as in a database or a
// cluster's stream. A channel's offsets have holes, and its head is the newest publication of all
// channels. It keeps every publication. Create one with NewShared.
type Shared struct {
	// Guarded by mu.
	mu       sync.Mutex
	head     uint64
	channels map[string]*sharedLog
	closed   bool
	reads    int
}

type sharedLog struct {
	pubs      []*engine.Publication
	keys      map[string]*engine.Publication
	followers []*func(*engine.Publication)
}

// sharedEpoch is the epoch of every Shared. Do not use a position of one Shared with another.
const sharedEpoch = 7

// NewShared returns an empty engine whose head is n, as if there were n publications on other
// channels.
func NewShared(n uint64) *Shared {
	return &Shared{head: n, channels: make(map[string]*sharedLog)}
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

func position(offset uint64) engine.Position {
	return engine.Position{Epoch: sharedEpoch, Offset: offset}
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
		return engine.Ack{Position: position(first.Offset), Duplicate: true}, nil
	}
	e.head++
	p := &engine.Publication{Offset: e.head, Time: time.Now().UnixNano(), Data: m.Data, Sender: m.Sender}
	l.pubs = append(l.pubs, p)
	if m.Key != "" {
		l.keys[m.Key] = p
	}
	for _, deliver := range l.followers {
		(*deliver)(p)
	}
	return engine.Ack{Position: position(p.Offset)}, nil
}

// Follow implements [engine.Engine].
func (e *Shared) Follow(_ context.Context, channel string, deliver func(*engine.Publication)) (engine.Position, func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return engine.Position{}, nil, engine.ErrClosed
	}
	l, f := e.log(channel), &deliver
	l.followers = append(l.followers, f)
	return position(e.head), func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		l.followers = slices.DeleteFunc(l.followers, func(o *func(*engine.Publication)) bool { return o == f })
	}, nil
}

// Read implements [engine.Engine].
func (e *Shared) Read(_ context.Context, channel string, since engine.Position, limit int) (engine.History, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reads++
	if e.closed {
		return engine.History{}, engine.ErrClosed
	}
	h := engine.History{Floor: position(0), Head: position(e.head)}
	l := e.channels[channel]
	switch {
	case since.IsZero():
	case since.Epoch != sharedEpoch:
		return h, engine.ErrUnknownEpoch
	case since.Offset > e.head:
		return h, engine.ErrAhead
	}
	if l == nil {
		return h, nil
	}
	for _, p := range l.pubs {
		if p.Offset > since.Offset {
			h.Publications = append(h.Publications, p)
		}
	}
	if n := len(h.Publications); limit < 0 {
		h.Publications = h.Publications[max(n+limit, 0):]
	} else {
		h.Publications = h.Publications[:min(limit, n)]
	}
	return h, nil
}

// Close implements [engine.Engine].
func (e *Shared) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	return nil
}
