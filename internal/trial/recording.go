package trial

import (
	"slices"
	"sync"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/oracle"
)

// endPublisher publishes the last message on each channel.
const endPublisher = "end"

// A recording is what one subscriber sees on one channel. Its methods may be called by
// many goroutines at once.
type recording struct {
	mu     sync.Mutex
	stream *oracle.Stream  // guarded by mu
	roll   *oracle.Roll    // guarded by mu
	joined bool            // guarded by mu
	up     bool            // guarded by mu: it is joined on a connection that is up
	at     engine.Position // guarded by mu: the place after what came last, if that is told
	ended  bool            // guarded by mu: the last message on the channel has come
}

func (t *trial) newRecording(subscriber, channel string, classic bool) *recording {
	r := &recording{
		stream: &oracle.Stream{Subscriber: subscriber, Channel: channel, Classic: classic},
		roll:   &oracle.Roll{Subscriber: subscriber, Channel: channel},
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recordings = append(t.recordings, r)
	return r
}

// began records a join that does not go on where the stream was.
func (r *recording) began(at, notBefore, notAfter engine.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.joined, r.up, r.at = true, true, at
	r.stream.Add(oracle.Event{Kind: oracle.Joined, Position: at, NotBefore: notBefore, NotAfter: notAfter})
}

// resumed records a join that goes on, as the client says.
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

// lost records that the connection has ended.
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

// settled tells whether nothing is to come any more, when the channel's head is there.
func (r *recording) settled(head engine.Position) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.joined {
		return true
	}
	if r.stream.Classic {
		return r.ended
	}
	return r.up && r.at == head
}

// close records that everything should have come, and returns what was recorded.
func (r *recording) close() (*oracle.Stream, *oracle.Roll) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stream.Add(oracle.Event{Kind: oracle.Settled})
	return r.stream, r.roll
}

// certain records that the newest join was there when the channel's head was this one.
func (r *recording) certain(head engine.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.stream.Events) - 1; i >= 0; i-- {
		if e := &r.stream.Events[i]; e.Kind == oracle.Joined {
			e.NotAfter = head
			return
		}
	}
}

// on tells whether the channel is joined on a connection that is up.
func (r *recording) on() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.joined && r.up
}

// hasMessage tells whether a message has come.
func (r *recording) hasMessage() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.stream.Events, func(e oracle.Event) bool { return e.Kind == oracle.Got })
}

// A follower records what a client's subscription tells: a join whose gap comes after it
// as an event of its own.
type follower struct {
	*recording
	t       *trial
	who     string
	channel string
	before  engine.Position // the head when it was asked for; zero if that is not known
	begun   bool
	pending *engine.Position // of a join that did not recover; its gap comes next
}

// joins records that a join was taken, as the client tells.
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

// gaps records a gap that was told.
func (f *follower) gaps(g gap) {
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

// gapIsThere checks that the gap of a join that did not recover was told.
func (f *follower) gapIsThere() {
	if f.pending != nil {
		f.t.unexpected(f.who, f.channel, "a join at %v did not recover, and no gap was told", *f.pending)
		f.resumed(*f.pending)
		f.pending = nil
	}
}
