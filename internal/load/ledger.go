package load

// A stream records which messages of one publisher on one channel a subscriber has received. The
// messages are numbered from 1. They must arrive in order, because the publisher waits for each
// reply.
type stream struct {
	high     uint32 // the highest number received
	received uint32 // how many different numbers were received
	window   uint64 // bit i: the number high-i was received
}

const windowSize = 64

// A tally counts deliveries that should not have happened.
type tally struct {
	repeated   uint64 // received before
	outOfOrder uint64 // received after a later message
	stray      uint64 // from a channel that was not joined, or from an unknown publisher
	unreadable uint64 // without a mark of this run
}

func (t *tally) add(o tally) {
	t.repeated += o.repeated
	t.outOfOrder += o.outOfOrder
	t.stray += o.stray
	t.unreadable += o.unreadable
}

// note records that a message was received.
func (s *stream) note(number uint32, t *tally) {
	switch {
	case number > s.high:
		ahead := number - s.high
		if ahead < windowSize {
			s.window = s.window<<ahead | 1
		} else {
			s.window = 1
		}
		s.high = number
		s.received++
	case s.high-number >= windowSize:
		// It is unknown whether this message was received before. It counts as repeated, because a
		// late message would be over 64 messages late, and counts as lost anyway.
		t.repeated++
	case s.window>>(s.high-number)&1 == 1:
		t.repeated++
	default:
		s.window |= 1 << (s.high - number)
		s.received++
		t.outOfOrder++
	}
}

// A ledger records which messages one subscriber has received. It is owned by the subscriber's
// reader.
type ledger struct {
	first, channels int // the joined channels: this many from first, continuing at 0 after the last channel
	all             int // the number of channels in the run
	publishers      int
	streams         []stream // by joined channel, then by publisher
	tally
}

func newLedger(first, channels, all, publishers int) *ledger {
	return &ledger{first: first, channels: channels, all: all, publishers: publishers, streams: make([]stream, channels*publishers)}
}

// note records a message, and reports whether this subscriber should receive it.
func (l *ledger) note(m mark) bool {
	place := int(m.channel) - l.first
	if place < 0 {
		place += l.all
	}
	if place < 0 || place >= l.channels || int(m.publisher) >= l.publishers || m.number == 0 {
		l.stray++
		return false
	}
	l.streams[place*l.publishers+int(m.publisher)].note(m.number, &l.tally)
	return true
}

// lost returns how many accepted messages were not received. taken is by publisher, then by
// channel.
func (l *ledger) lost(taken [][]uint32) uint64 {
	var n uint64
	for place := range l.channels {
		channel := (l.first + place) % l.all
		for p := range l.publishers {
			if got, due := l.streams[place*l.publishers+p].received, taken[p][channel]; got < due {
				n += uint64(due - got)
			}
		}
	}
	return n
}
