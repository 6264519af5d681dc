package oracle

import (
	"fmt"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A History is everything that happened in a run.
type History struct {
	Log       *Log
	Publishes []Publish
	Streams   []*Stream
	Rolls     []*Roll
}

// A Publish is one message that a publisher tried to publish.
type Publish struct {
	Message Message

	// Acked means that the server acknowledged the message. Otherwise it may or may not have been
	// published.
	Acked bool

	// Position is the position in the server's reply, or zero if the reply had none.
	Position engine.Position
}

// A Stream is what a subscriber received on one channel, in order. Only one goroutine at a time may
// use it.
type Stream struct {
	Subscriber string
	Channel    string

	// Classic means that the subscriber cannot be told of gaps. The promise to it is only that it
	// receives everything in order until the connection ends.
	Classic bool

	Events []Event
}

// An EventKind is the kind of an Event.
type EventKind uint8

// The kinds of events.
const (
	// Joined: the stream begins, or continues after the connection was lost. It uses Position,
	// Resumed, NotBefore and NotAfter.
	Joined EventKind = iota + 1
	// Got: a message. It uses Message and Position.
	Got
	// Missed: the client reported a gap. It uses Gap.
	Missed
	// Lost: the connection has ended.
	Lost
	// Left: the subscriber has left the channel.
	Left
	// Settled: no more messages are published, and the subscriber had enough time to receive all of
	// them. So it should have all of them now.
	Settled
)

func (k EventKind) String() string {
	names := []string{"?", "joined", "got", "missed", "lost", "left", "settled"}
	return names[min(int(k), len(names)-1)]
}

// An Event is something that happened to a subscriber.
type Event struct {
	Kind     EventKind
	Message  Message
	Position engine.Position // of a message or a join; zero if the client does not report it
	Gap      boreas.Gap

	// Resumed means that the join continued the stream, according to the client.
	Resumed bool

	// NotBefore and NotAfter are the channel's heads when the join was sent, and when it was known
	// to be done. Zero means unknown. A join that does not resume begins between them.
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
