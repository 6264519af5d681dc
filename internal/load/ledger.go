package load

// A stream is what a subscriber has had of one publisher's messages on one
// channel. They are numbered from 1, and the publisher waits for each answer, so
// they must come in order.
type stream struct {
	high     uint32 // the highest number that came
	received uint32 // how many different ones came
	window   uint64 // bit i: high-i came
}

const windowSize = 64

// A tally counts what came as it should not have.
type tally struct {
	repeated   uint64 // came before
	outOfOrder uint64 // came after a later one
	stray      uint64 // of a channel that was not joined, or of no publisher of ours
	unreadable uint64 // no mark of this run
}

func (t *tally) add(o tally) {
	t.repeated += o.repeated
	t.outOfOrder += o.outOfOrder
	t.stray += o.stray
	t.unreadable += o.unreadable
}

// note takes down that a message came.
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
		// Too far back to know whether it came: a late one would have to be over
		// 64 behind, and would then be counted as lost too.
		t.repeated++
	case s.window>>(s.high-number)&1 == 1:
		t.repeated++
	default:
		s.window |= 1 << (s.high - number)
		s.received++
		t.outOfOrder++
	}
}

// A ledger is what one subscriber has had. It is owned by the subscriber's reader.
type ledger struct {
	first, channels int // the channels joined: this many from first on, round the end
	all             int // channels of the run
	publishers      int
	streams         []stream // by channel joined, then publisher
	tally
}

func newLedger(first, channels, all, publishers int) *ledger {
	return &ledger{first: first, channels: channels, all: all, publishers: publishers, streams: make([]stream, channels*publishers)}
}

// note takes down a message, and tells whether it is one that was due here.
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

// lost returns how many of the messages that the server has taken did not come.
// taken is by publisher, then channel.
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
