package boreas

import (
	"sync"
	"sync/atomic"
)

// group is a part of a channel's subscriptions, at most groupSize, that are swept together.
type group struct {
	ch    *channel // immutable
	state atomic.Uint32

	// next is the next group in a list. It is owned by the goroutine that made the group dirty; once
	// pushed into the queue, it is guarded by queue.mu.
	next *group

	// swept is the offset up to which all members have been visited. Members that are catching up
	// may still be behind; their own goroutines write to them. Guarded by channel.mu.
	swept uint64

	// life is the life of the log in which all members were visited last. Owned by the sweeper.
	life *life

	mu   sync.Mutex // guards subs
	subs []*subscription
}

// States of a group. One sweeper at a time sweeps it. A publication meanwhile makes the sweeper
// queue it again.
const (
	groupClean    = iota // nothing to deliver
	groupQueued          // in the queue
	groupSweeping        // being swept
	groupAgain           // being swept, and dirty again
)

// add returns false if the group is full.
func (g *group) add(sub *subscription) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.subs) == groupSize {
		return false
	}
	sub.group, sub.index = g, uint8(len(g.subs))
	g.subs = append(g.subs, sub)
	return true
}

// remove returns the number of remaining subscriptions.
func (g *group) remove(sub *subscription) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	last := len(g.subs) - 1
	moved := g.subs[last]
	g.subs[sub.index], moved.index = moved, sub.index
	g.subs[last] = nil
	g.subs = g.subs[:last]
	return last
}

// members appends the group's subscriptions to dst.
func (g *group) members(dst []*subscription) []*subscription {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append(dst, g.subs...)
}

// markDirty records that there is something to deliver. It returns true if the caller must put the
// group into the queue.
func (g *group) markDirty() bool {
	for {
		switch g.state.Load() {
		case groupQueued, groupAgain:
			return false
		case groupClean:
			if g.state.CompareAndSwap(groupClean, groupQueued) {
				return true
			}
		case groupSweeping:
			if g.state.CompareAndSwap(groupSweeping, groupAgain) {
				return false
			}
		}
	}
}

// finish ends a sweep. It returns true if the caller must put the group into the queue again.
func (g *group) finish() bool {
	if g.state.CompareAndSwap(groupSweeping, groupClean) {
		return false
	}
	g.state.Store(groupQueued)
	return true
}
