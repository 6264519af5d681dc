package boreas

import (
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

const (
	// groupSize is the maximum number of subscriptions in a group. A publication marks one group
	// for each groupSize subscriptions. A sweep of a group, of up to that many writes, takes about
	// a millisecond. It is the unit of work that sweepers share.
	groupSize = 256

	// windowMessages and windowBytes limit a channel's window. A reader behind the window reads the
	// engine's log instead, so the limits bound memory without losing publications.
	windowMessages = 16 << 10
	windowBytes    = 4 << 20
)

// channel is the hub's part of a channel with subscriptions: their groups, and the window of
// publications that have not been swept for all groups. When everything is delivered, the window is
// empty, because the engine keeps the log.
type channel struct {
	// Immutable.
	name     string
	queue    *queue
	presence *presence // nil if the rule has no presence
	feed     *presence // set if this channel carries presence events instead of an engine's log

	// rule is the rule in force; nil if the channel carries presence events. Written with
	// channelShard.mu held.
	rule atomic.Pointer[Rule]

	// Guarded by channelShard.mu.
	refs    int
	opening chan struct{} // closed and set to nil when open has returned

	// Written by open, immutable after opening is closed.
	err   error
	stop  func() // nil if open has failed
	first life   // the life until the first Reset; a part of the channel, to save an allocation

	// Written with mu held.
	life  atomic.Pointer[life] // the current life of the log
	head  atomic.Uint64        // offset of the newest publication that the engine has delivered
	count atomic.Int64         // number of subscriptions in groups

	mu     sync.Mutex            // guards the fields below
	before uint64                // offset of the publication before head; 0 if unknown
	window []*engine.Publication // every publication after floor, oldest first
	bytes  int                   // size of the window's data
	floor  uint64
	unkept uint64    // offset of the newest publication that was delivered and is not in the window; 0 if none
	watch  *logWatch // nil if no session waits for the log
	groups []*group
	roomy  int // groups before this index are full
}

// newChannel returns a channel that does not follow a log yet.
func newChannel(name string, q *queue) *channel {
	ch := &channel{name: name, queue: q}
	ch.first.ch = ch
	ch.life.Store(&ch.first)
	return ch
}

// open starts to follow the channel in the engine. The goroutine that created the channel calls it
// once; others wait for it.
func (ch *channel) open(h *Hub) {
	ch.err = errNotFollowed // if the engine panics
	defer func() {
		if ch.err != nil {
			h.follows.Done()
		}
		h.channels.opened(ch)
	}()
	head, stop, err := h.callFollow(ch.name, ch)
	if err != nil {
		ch.err = err
		return
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.stop, ch.err = stop, nil
	if ch.life.Load() != &ch.first {
		return // the engine has already reset the log; that is after head
	}
	// There are no subscriptions yet. Publications delivered meanwhile are after head.
	ch.floor = max(ch.floor, head.Offset)
	ch.first.epoch, ch.first.from = head.Epoch, head.Offset
	ch.head.Store(ch.floor)
}

var errNotFollowed = errors.New("boreas: the engine panicked while it began to follow the channel")

// unfollow stops following the channel. It is called once, after the last reference is released.
func (ch *channel) unfollow(h *Hub) {
	if ch.stop != nil {
		defer h.follows.Done()
		ch.stop()
	}
}

// Deliver implements [engine.Follower]. It makes every group dirty.
func (ch *channel) Deliver(p *engine.Publication) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if len(ch.groups) == 0 {
		ch.floor, ch.unkept = p.Offset, p.Offset
		ch.before = ch.head.Load()
		ch.head.Store(p.Offset)
		return
	}
	ch.window = append(ch.window, p)
	ch.bytes += len(p.Data)
	for len(ch.window) > windowMessages || ch.bytes > windowBytes && len(ch.window) > 1 {
		ch.shift(1)
	}
	ch.before = ch.head.Load()
	ch.head.Store(p.Offset)
	ch.markDirty()
}

// markDirty queues all groups that are not in the queue. The caller holds mu.
func (ch *channel) markDirty() {
	var first, last *group // a list, so that the queue is locked once
	for _, g := range ch.groups {
		if g.markDirty() {
			if first == nil {
				first = g
			} else {
				last.next = g
			}
			last = g
		}
	}
	ch.queue.published(ch.subscribers() <= scatterSubscribers, first, last)
}

// shift drops the n oldest publications of the window. The caller holds mu.
func (ch *channel) shift(n int) {
	for i, p := range ch.window[:n] {
		ch.bytes -= len(p.Data)
		ch.floor, ch.unkept = p.Offset, p.Offset
		ch.window[i] = nil // the array is kept longer than the slice
	}
	ch.window = ch.window[n:]
	if len(ch.window) == 0 {
		ch.window = nil
	}
}

// swept records that the group has been swept up to the offset in that life, and trims the window.
func (ch *channel) swept(g *group, l *life, offset uint64) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	g.life = l
	if l != ch.life.Load() {
		return // the group is dirty again
	}
	g.swept = offset
	ch.trim()
}

// trim drops from the window the publications that all groups have been swept for. The caller holds
// mu.
func (ch *channel) trim() {
	least := ch.head.Load()
	for _, g := range ch.groups {
		least = min(least, g.swept)
	}
	ch.shift(len(ch.window) - len(engine.After(ch.window, least)))
}

// pending appends to dst the window's publications after the offset in that life, until they have
// at least that many bytes of data. More reports whether it left out any. Ok is false if the window
// no longer reaches back to the offset.
func (ch *channel) pending(dst []*engine.Publication, l *life, offset uint64, bytes int) (_ []*engine.Publication, more, ok bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if l != ch.life.Load() {
		return dst, false, true // the session is visited again because of the new life
	}
	if offset < ch.floor {
		return dst, false, false
	}
	for _, p := range engine.After(ch.window, offset) {
		if bytes <= 0 {
			return dst, true, true
		}
		bytes -= len(p.Data)
		dst = append(dst, p)
	}
	return dst, false, true
}

// beforeHead returns the offset before the newest publication of that life, 0 if it is unknown.
func (ch *channel) beforeHead(l *life) uint64 {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if l != ch.life.Load() {
		return 0
	}
	return ch.before
}

// subscribers returns the number of subscriptions.
func (ch *channel) subscribers() int { return int(ch.count.Load()) }

// passed reports whether the window no longer reaches back to the subscription's cursor.
func (ch *channel) passed(sub *subscription) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return sub.life.Load() == ch.life.Load() && sub.cursor.Load() < ch.floor
}

// atHead stands for the head of the channel when add is called.
const atHead = math.MaxUint64

// add sets the subscription's cursor to the offset in that life, or to the head, and puts the
// subscription into a group. If the offset is before the head, the caller must flush the session.
// It reports whether it is the channel's first subscription. Error: [ErrTooManySubscribers].
func (ch *channel) add(sub *subscription, l *life, at uint64) (first bool, err error) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if limit := ch.maxSubscribers(); limit > 0 && ch.subscribers() >= limit {
		return false, ErrTooManySubscribers
	}
	if at == atHead {
		l, at = ch.life.Load(), ch.head.Load()
	}
	sub.born = ch.head.Load()
	sub.life.Store(l)
	sub.cursor.Store(at)
	ch.place(sub)
	return ch.count.Add(1) == 1, nil
}

func (ch *channel) maxSubscribers() int {
	if rule := ch.rule.Load(); rule != nil {
		return rule.MaxSubscribers
	}
	return 0
}

// place puts the subscription into a group with room. The caller holds mu.
func (ch *channel) place(sub *subscription) {
	for ; ch.roomy < len(ch.groups); ch.roomy++ {
		if ch.groups[ch.roomy].add(sub) {
			return
		}
	}
	g := &group{ch: ch, life: ch.life.Load(), swept: ch.head.Load()}
	ch.groups = append(ch.groups, g)
	g.add(sub)
}

// remove removes the subscription, and reports whether it was the last one.
func (ch *channel) remove(sub *subscription) (last bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.roomy = 0
	if g := sub.group; g.remove(sub) == 0 {
		ch.groups = slices.DeleteFunc(ch.groups, func(o *group) bool { return o == g })
		ch.trim()
	}
	return ch.count.Add(-1) == 0
}

// subscriptions returns a copy of all subscriptions. It locks one group at a time, so that it does not
// delay publishers.
func (ch *channel) subscriptions() (all []*subscription) {
	ch.mu.Lock()
	groups := slices.Clone(ch.groups)
	ch.mu.Unlock()
	for _, g := range groups {
		all = g.members(all)
	}
	return all
}
