package boreas

import (
	"math"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/engine"
)

// subscription is a session's place in a channel.
type subscription struct {
	session *Session
	ch      *channel
	// cursor is the offset of the newest publication written to the session.
	// It is changed under Session.mu only; sweepers look at it without.
	cursor atomic.Uint64
	group  *group // immutable once added, as are session and ch
	index  uint8  // in group.subs, below groupSize; guarded by group.mu

	// publishing is how many publications of the session's own, which it does not want back, are
	// under way; own is the distance from born to the newest one that is no longer under way.
	// Guarded by Session.mu.
	publishing uint16
	own        uint32

	// born is where the channel's head was when it was added: what the session
	// published before that comes like any other's. Immutable once added.
	born uint64
}

// silent reports whether the next publications may include the session's own, which it does not
// want back. Such a session does not share the batch of other sessions. The caller holds
// Session.mu.
func (sub *subscription) silent() bool {
	if sub.publishing > 0 || sub.own == math.MaxUint32 {
		return true
	}
	return sub.own > 0 && sub.cursor.Load() < sub.born+uint64(sub.own)
}

// published records that a publication of the session's own is no longer under way; offset is 0
// if it was not published. The caller holds Session.mu.
func (sub *subscription) published(offset uint64) {
	if sub.publishing > 0 {
		sub.publishing--
	}
	if offset > sub.born {
		sub.own = max(sub.own, uint32(min(offset-sub.born, math.MaxUint32)))
	}
}

// position returns the place up to which the subscription has been written.
func (sub *subscription) position() engine.Position {
	return engine.Position{Epoch: sub.ch.epoch, Offset: sub.cursor.Load()}
}
