package trial

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// endPublisher publishes the last message on each channel.
const endPublisher = "end"

// A recording is what one subscriber receives on one channel. Its methods are safe for concurrent
// use.
type recording struct {
	// The pointers are immutable. Guarded by mu: stream.Events and roll.Calls. roll.Present is set
	// once, at the end of the trial. The other fields of both are immutable.
	stream *oracle.Stream
	roll   *oracle.Roll

	mu sync.Mutex

	// Guarded by mu.
	joined bool
	up     bool            // joined on a connection that is up
	at     engine.Position // the position after the last event, if the client reports it
	ended  bool            // the last message on the channel has been received

	// times has for events of kind Joined, by index, a moment when the join was known to be done. It is
	// used if the channel's head is not known at that time.
	times map[int]time.Time
}

func (t *trial) newRecording(subscriber, channel string, classic bool) *recording {
	r := &recording{
		stream: &oracle.Stream{Subscriber: subscriber, Channel: channel, Classic: classic},
		roll:   &oracle.Roll{Subscriber: subscriber, Channel: channel},
		times:  make(map[int]time.Time),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recordings = append(t.recordings, r)
	return r
}

// began records a join that does not continue at the stream's last position.
func (r *recording) began(at, notBefore, notAfter engine.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.joined, r.up, r.at = true, true, at
	if notAfter.IsZero() && !at.IsZero() {
		r.times[len(r.stream.Events)] = time.Now()
	}
	r.stream.Add(oracle.Event{Kind: oracle.Joined, Position: at, NotBefore: notBefore, NotAfter: notAfter})
}

// resumed records a join that continues the stream, according to the client.
func (r *recording) resumed(at engine.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.joined, r.up = true, true
	if !at.IsZero() {
		r.at = at
	}
	r.stream.Add(oracle.Event{Kind: oracle.Joined, Position: at, Resumed: true})
}

func (r *recording) got(text []byte, at engine.Position) {
	m, _ := readContent(text)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = at
	r.ended = r.ended || m.Publisher == endPublisher
	r.stream.Add(oracle.Event{Kind: oracle.Got, Message: m, Position: at})
}

func (r *recording) missed(g boreas.Gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = g.To
	r.stream.Add(oracle.Event{Kind: oracle.Missed, Gap: g})
}

func (r *recording) called(c oracle.Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.roll.Add(c)
}

// lost records the end of the connection.
func (r *recording) lost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.up = false
	if r.joined && r.stream.Classic {
		r.joined = false
	}
	r.stream.Add(oracle.Event{Kind: oracle.Lost})
	r.roll.Add(oracle.Call{})
}

func (r *recording) left() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.joined, r.up = false, false
	r.stream.Add(oracle.Event{Kind: oracle.Left})
	r.roll.Add(oracle.Call{})
}

// settled reports whether nothing more is expected when the channel's head is head.
func (r *recording) settled(head engine.Position) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.joined {
		return true
	}
	if r.stream.Classic {
		return r.ended
	}
	// With several nodes, the position of a join may be after the newest message of the channel.
	return r.up && r.at.Epoch == head.Epoch && r.at.Offset >= head.Offset
}

// String describes the present state.
func (r *recording) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("connected and joined %v, at %v after %d events", r.up, r.at, len(r.stream.Events))
}

// close records that everything should have been received, and returns the stream and the roll. If
// times is not nil, it has the channel's heads that were not known before.
func (r *recording) close(times *timeline) (*oracle.Stream, *oracle.Roll) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if times != nil {
		for i, when := range r.times {
			r.stream.Events[i].NotAfter = times.until(when)
		}
	}
	r.stream.Add(oracle.Event{Kind: oracle.Settled})
	return r.stream, r.roll
}

// certain records the channel's head at a time when the newest join was known to be done.
func (r *recording) certain(head engine.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.stream.Events) - 1; i >= 0; i-- {
		if e := &r.stream.Events[i]; e.Kind == oracle.Joined {
			if e.NotAfter = head; head.IsZero() {
				r.times[i] = time.Now()
			}
			return
		}
	}
}

// on reports whether the channel is joined and the connection is up.
func (r *recording) on() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.joined && r.up
}

// hasMessage reports whether a message has been received.
func (r *recording) hasMessage() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.stream.Events, func(e oracle.Event) bool { return e.Kind == oracle.Got })
}

// fits reports whether the mistake can be planted in what has been received.
func (r *recording) fits(p oracle.Plant) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return p.Fits(r.stream)
}

// A follower records the events of a client's subscription. If a join has a gap, the client reports
// it as a separate event after the join.
type follower struct {
	*recording
	t       *trial
	who     string
	channel string
	before  engine.Position // the head when the join was sent; zero if unknown
	begun   bool
	pending *engine.Position // the position of a join that did not recover, until its gap is reported
}

// joins records a join as the client reports it.
func (f *follower) joins(at string, resumed, recovered bool) {
	f.gapIsThere()
	position := f.t.position(f.who, at)
	switch {
	case !resumed && f.begun:
		f.t.unexpected(f.who, f.channel, "the client began anew at %s", at)
		f.began(position, engine.Position{}, engine.Position{})
	case !resumed:
		f.began(position, f.before, f.t.world.head(f.channel))
	case recovered:
		f.resumed(position)
	default:
		f.pending = &position
	}
	f.begun = true
}

// gaps records a reported gap.
func (f *follower) gaps(g wstest.Gap) {
	f.missed(f.t.gap(f.who, &g))
	if f.pending != nil {
		f.resumed(*f.pending)
		f.pending = nil
	}
}

// gets records a message.
func (f *follower) gets(text []byte, at string) {
	f.gapIsThere()
	f.got(text, f.t.position(f.who, at))
}

// gapIsThere records a finding if the gap of a join that did not recover has not been reported.
func (f *follower) gapIsThere() {
	if f.pending != nil {
		f.t.unexpected(f.who, f.channel, "a join at %v did not recover, and no gap was told", *f.pending)
		f.resumed(*f.pending)
		f.pending = nil
	}
}
