package boreas

import (
	"math"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// subscription connects a session with a channel that it has joined, or with the channel's presence
// events.
type subscription struct {
	// Immutable once added to the channel.
	session *Session
	group   *group

	// Written with Session.mu held; sweepers read them without it.
	life   atomic.Pointer[life] // of the channel's log, to which cursor, own and born belong
	cursor atomic.Uint64        // offset of the newest publication written to the session

	index uint8 // in group.subs, below groupSize; guarded by group.mu

	// Guarded by Session.mu.
	publishing uint16 // number of the session's publications under way that it does not want back
	own        uint32 // distance from born to the newest of these that is no longer under way
	born       uint64 // head of the channel when added; up to there, publications that it does not want back are delivered, too
}

// newSubscription returns a subscription of the session to the channel, for channel.add.
func newSubscription(s *Session, ch *channel) *subscription {
	sub := &subscription{session: s}
	sub.life.Store(ch.life.Load())
	return sub
}

func (sub *subscription) channel() *channel { return sub.life.Load().ch }

// silent reports whether the next publications may include some that the session published and does
// not want back. Such a session does not share encoded bytes with others. The caller holds
// Session.mu.
func (sub *subscription) silent() bool {
	if sub.publishing > 0 || sub.own == math.MaxUint32 {
		return true
	}
	return sub.own > 0 && sub.cursor.Load() < sub.born+uint64(sub.own)
}

// published records that a publication of the session is no longer under way; offset is 0 if it was
// not published. The caller holds Session.mu.
func (sub *subscription) published(offset uint64) {
	if sub.publishing > 0 {
		sub.publishing--
	}
	if offset > sub.born {
		sub.own = max(sub.own, uint32(min(offset-sub.born, math.MaxUint32)))
	}
}

// position returns the position of the newest publication written to the session.
func (sub *subscription) position() engine.Position {
	return sub.life.Load().at(sub.cursor.Load())
}
