package boreastest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas"
)

// Shared is an engine in memory whose channels share one sequence of offsets, as in a database or
// a cluster's stream: a channel's offsets have holes, and its head is the newest publication of
// all channels. It keeps every publication. Create one with NewShared.
type Shared struct {
	mu       sync.Mutex
	head     uint64
	channels map[string]*sharedLog
	closed   bool
	reads    int
}

type sharedLog struct {
	pubs      []*boreas.Publication
	keys      map[string]*boreas.Publication
	followers []*func(*boreas.Publication)
}

// sharedEpoch is the epoch of every Shared. Positions of one Shared are never used with another.
const sharedEpoch = 7

// NewShared returns an engine whose head is that of n publications on other channels.
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
		l = &sharedLog{keys: make(map[string]*boreas.Publication)}
		e.channels[channel] = l
	}
	return l
}

func position(offset uint64) boreas.Position {
	return boreas.Position{Epoch: sharedEpoch, Offset: offset}
}

// Publish implements [boreas.Engine].
func (e *Shared) Publish(_ context.Context, channel string, m boreas.Message) (boreas.Ack, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return boreas.Ack{}, boreas.ErrClosed
	}
	l := e.log(channel)
	if first := l.keys[m.Key]; m.Key != "" && first != nil {
		if string(first.Data) != string(m.Data) {
			return boreas.Ack{}, boreas.ErrKeyReused
		}
		return boreas.Ack{Position: position(first.Offset), Duplicate: true}, nil
	}
	e.head++
	p := &boreas.Publication{Offset: e.head, Time: time.Now().UnixNano(), Data: m.Data, Sender: m.Sender}
	l.pubs = append(l.pubs, p)
	if m.Key != "" {
		l.keys[m.Key] = p
	}
	for _, deliver := range l.followers {
		(*deliver)(p)
	}
	return boreas.Ack{Position: position(p.Offset)}, nil
}

// Follow implements [boreas.Engine].
func (e *Shared) Follow(_ context.Context, channel string, deliver func(*boreas.Publication)) (boreas.Position, func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return boreas.Position{}, nil, boreas.ErrClosed
	}
	l, f := e.log(channel), &deliver
	l.followers = append(l.followers, f)
	return position(e.head), func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		l.followers = slices.DeleteFunc(l.followers, func(o *func(*boreas.Publication)) bool { return o == f })
	}, nil
}

// Read implements [boreas.Engine].
func (e *Shared) Read(_ context.Context, channel string, since boreas.Position, limit int) (boreas.History, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reads++
	if e.closed {
		return boreas.History{}, boreas.ErrClosed
	}
	h := boreas.History{Floor: position(0), Head: position(e.head)}
	l := e.channels[channel]
	switch {
	case since.IsZero():
	case since.Epoch != sharedEpoch:
		return h, boreas.ErrUnknownEpoch
	case since.Offset > e.head:
		return h, boreas.ErrAhead
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

// Close implements [boreas.Engine].
func (e *Shared) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	return nil
}
