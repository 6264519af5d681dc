package roster

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/nodes"
)

// own has the changes of this node's own sessions, which are told to the other nodes.
type own struct {
	log  *slog.Logger
	wake chan struct{}

	mu      sync.Mutex // guards the fields below; it comes after the locks of the hub
	started bool
	queue   []boreas.PresenceChange // not told yet; the last one has the number newest.Number
	latest  digest                  // after all changes
	told    digest                  // after the changes that have been told, or that never will be
}

// digest is what a beat says about the presence of a node's sessions.
type digest struct {
	Number uint64 `json:"number"` // of the last change that was told
	boreas.PresenceDigest
}

// count counts the next change.
func (d *digest) count(c boreas.PresenceChange) {
	d.Number++
	d.Count(c)
}

// batch is what a node tells the others: changes with consecutive numbers.
type batch struct {
	First   uint64                  `json:"first"`
	Changes []boreas.PresenceChange `json:"changes"`
}

func (o *own) init(log *slog.Logger) { o.log, o.wake = log, make(chan struct{}, 1) }

// start begins to tell changes.
func (o *own) start() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.started, o.told = true, o.latest
}

// changed records a change. It is called with locks of the hub held.
func (o *own) changed(c boreas.PresenceChange) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.latest.count(c)
	if !o.started {
		return
	}
	if len(o.queue) >= maxQueue {
		o.log.Warn("the presence changes faster than the other nodes can be told: they will take snapshots", "changes", len(o.queue))
		o.queue, o.told = nil, o.latest
		return
	}
	o.queue = append(o.queue, c)
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// newest returns the number of the newest change.
func (o *own) newest() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.latest.Number
}

// beat returns the digest for the next beat.
func (o *own) beat() json.RawMessage {
	o.mu.Lock()
	defer o.mu.Unlock()
	text, err := json.Marshal(o.told)
	if err != nil {
		panic(err) // there are only numbers
	}
	return text
}

// tell tells the changes to the group until ctx ends.
func (o *own) tell(ctx context.Context, group Group) {
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.wake:
		}
		for content, after := o.take(); content != nil; content, after = o.take() {
			err := group.Tell(content)
			if err != nil && !failing {
				o.log.Warn("changes of presence cannot be told to the other nodes: they will take snapshots later", "error", err)
			}
			failing = err != nil
			o.sent(after)
		}
	}
}

// take returns the next content to tell, and the digest after it. It returns nil if there is none.
func (o *own) take() (content []byte, after digest) {
	o.mu.Lock()
	queue, after := o.queue, o.told
	o.mu.Unlock()
	if len(queue) == 0 {
		return nil, after
	}
	content = fmt.Appendf(nil, `{"first":%d,"changes":[`, after.Number+1)
	const end = "]}"
	for i, c := range queue {
		text, err := json.Marshal(c)
		if err != nil {
			panic(err) // the hub has checked the info
		}
		if i > 0 {
			if len(content)+1+len(text)+len(end) > nodes.MaxTell {
				break
			}
			content = append(content, ',')
		}
		content = append(content, text...)
		after.count(c)
	}
	return append(content, end...), after
}

// sent removes the changes up to a number from the queue.
func (o *own) sent(after digest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if after.Number <= o.told.Number {
		return // the queue was dropped meanwhile
	}
	o.queue = o.queue[after.Number-o.told.Number:]
	if len(o.queue) == 0 {
		o.queue = nil // releases the array
	}
	o.told = after
}
