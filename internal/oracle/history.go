package oracle

import (
	"fmt"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/engine"
)

// A History is all that happened in a run.
type History struct {
	Log       *Log
	Publishes []Publish
	Streams   []*Stream
	Rolls     []*Roll
}

// A Publish is one message that a publisher tried to publish.
type Publish struct {
	Message Message

	// Acked tells that the server said that it was published. Otherwise it may or
	// may not have been.
	Acked bool

	// Position is the one in the server's answer, zero if the answer had none.
	Position engine.Position
}

// A Stream is what a subscriber saw of one channel, in the order in which it saw it. It
// is recorded by one goroutine at a time.
type Stream struct {
	Subscriber string
	Channel    string

	// Classic tells that nothing can be told to the subscriber: all it is promised is
	// to get everything in order until the connection ends.
	Classic bool

	Events []Event
}

// An EventKind says what a subscriber saw.
type EventKind uint8

// The kinds of events.
const (
	// Joined: the stream begins, or goes on after the connection was lost. Of the
	// other fields it uses Position, Resumed, NotBefore and NotAfter.
	Joined EventKind = iota + 1
	// Got: a message. It uses Message and Position.
	Got
	// Missed: the client was told of a gap. It uses Gap.
	Missed
	// Lost: the connection has ended.
	Lost
	// Left: the subscriber has left the channel.
	Left
	// Settled: nothing more is published, and the subscriber had all the time to get
	// what there is. So by now it should have all of it.
	Settled
)

func (k EventKind) String() string {
	names := []string{"?", "joined", "got", "missed", "lost", "left", "settled"}
	return names[min(int(k), len(names)-1)]
}

// An Event is something that a subscriber saw.
type Event struct {
	Kind     EventKind
	Message  Message
	Position engine.Position // of a message or a join; zero if the client does not tell
	Gap      boreas.Gap

	// Resumed tells that the join went on where the stream was, as the client says.
	Resumed bool

	// NotBefore and NotAfter are the heads of the channel when the join was asked for
	// and when it was known to be there. Zero means not known. A join that does not
	// resume begins between them.
	NotBefore, NotAfter engine.Position
}

func (e Event) String() string {
	switch e.Kind {
	case Joined:
		text := "joined at " + e.Position.String()
		if e.Resumed {
			text = "resumed at " + e.Position.String()
		}
		if !e.NotBefore.IsZero() || !e.NotAfter.IsZero() {
			text += fmt.Sprintf(" (asked at %v, known at %v)", e.NotBefore, e.NotAfter)
		}
		return text
	case Got:
		return fmt.Sprintf("got %v at %v", e.Message, e.Position)
	case Missed:
		return fmt.Sprintf("missed %v to %v: %s", e.Gap.From, e.Gap.To, e.Gap.Reason)
	}
	return e.Kind.String()
}

// Add records an event.
func (s *Stream) Add(e Event) { s.Events = append(s.Events, e) }
