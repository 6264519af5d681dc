package boreas

import (
	"slices"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// skip moves the subscription's cursor forward, and appends a gap to the session's own bytes, unless
// the log was reset meanwhile.
func (s *Session) skip(sub *subscription, reason GapReason, to engine.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := sub.life.Load(); l.epoch == to.Epoch {
		s.skipNow(sub, reason, to.Offset)
	}
}

// skipNow is skip for a caller that holds s.mu.
func (s *Session) skipNow(sub *subscription, reason GapReason, to uint64) {
	from := sub.cursor.Load()
	if s.ending || to <= from || !slices.Contains(s.subs, sub) {
		return
	}
	sub.cursor.Store(to)
	l := sub.life.Load()
	gap := Gap{Reason: reason, From: l.at(from), To: l.at(to)}
	s.out = s.batchFormat().(NoticeFormat).AppendGap(s.out, l.ch.name, gap)
	s.countGap(reason)
	s.tellGap(l.ch.name, gap)
}

// conflate moves a session, whose connection accepted nothing for a while, to the newest
// publication of each channel whose rule says so.
func (s *Session) conflate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notices() == nil || s.conflating {
		return // otherwise gaps would pile up before the client reads any
	}
	for _, sub := range s.subs {
		if rule := sub.channel().rule.Load(); rule == nil || !rule.Latest {
			continue
		}
		if l := sub.life.Load(); l == l.ch.life.Load() {
			s.skipNow(sub, GapConflated, l.ch.beforeHead(l))
		}
	}
	if s.conflating = len(s.out) > 0; s.conflating {
		s.countOut()
	}
}
