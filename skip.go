package boreas

import (
	"slices"

	"github.com/boreas-pubsub/boreas/engine"
)

// skip moves the subscription's cursor forward and tells the session what it does not
// get.
func (s *Session) skip(sub *subscription, reason GapReason, to engine.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skipNow(sub, reason, to.Offset)
}

// skipNow is skip for a caller that holds s.mu.
func (s *Session) skipNow(sub *subscription, reason GapReason, to uint64) {
	from := sub.cursor.Load()
	if s.ending || to <= from || !slices.Contains(s.subs, sub) {
		return
	}
	sub.cursor.Store(to)
	epoch := sub.ch.epoch
	s.out = s.batchFormat().(NoticeFormat).AppendGap(s.out, sub.ch.name, Gap{Reason: reason, From: engine.Position{Epoch: epoch, Offset: from}, To: engine.Position{Epoch: epoch, Offset: to}})
	s.hub.stats.gap(reason)
}

// conflate takes a session whose connection took no more for a while to the newest
// publication of each channel that asks for that.
func (s *Session) conflate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notices() == nil || s.conflating {
		return // or what it has been told would pile up before it takes any of it
	}
	for _, sub := range s.subs {
		if sub.ch.rule == nil || !sub.ch.rule.Latest {
			continue
		}
		s.skipNow(sub, GapConflated, sub.ch.beforeHead())
	}
	if s.conflating = len(s.out) > 0; s.conflating {
		s.countOut()
	}
}
