package client

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Subscriber listens to channels over a WebSocket and reconnects by itself when the connection
// is lost. Join and Leave may be called by any goroutine.
type Subscriber struct {
	o       *SubscriberOptions // a pointer, so that a Subscriber that is printed does not show the token
	random  func(time.Duration) time.Duration
	inUse   atomic.Bool
	changed chan struct{} // holds a token when channels was changed; capacity 1

	mu       sync.Mutex
	channels map[string]struct{} // what is to be joined
}

// NewSubscriber returns a subscriber, or says what is wrong with the options. It
// connects when [Subscriber.Messages] is ranged over.
func NewSubscriber(o SubscriberOptions) (*Subscriber, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Subscriber{o: &o, random: upTo, changed: make(chan struct{}, 1), channels: map[string]struct{}{}}
	if err := s.Join(o.Channels...); err != nil {
		return nil, err
	}
	return s, nil
}

// Join adds channels: on the present connection soon, and on each later one. It
// does not wait. If a name is not one of a channel it joins none.
func (s *Subscriber) Join(channels ...string) error {
	for _, name := range channels {
		if err := checkChannel(name); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range channels {
		s.channels[name] = struct{}{}
	}
	s.signal()
	return nil
}

// Leave takes channels away, now and for later connections. It does not wait:
// messages that are on their way still come.
func (s *Subscriber) Leave(channels ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range channels {
		delete(s.channels, name)
	}
	s.signal()
}

func (s *Subscriber) signal() {
	select {
	case s.changed <- struct{}{}:
	default: // there is a token already
	}
}

// difference returns what to join and leave on a connection that has joined the
// given channels, and records it there.
func (s *Subscriber) difference(joined map[string]struct{}) (join, leave []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.channels {
		if _, ok := joined[name]; !ok {
			join = append(join, name)
		}
	}
	for name := range joined {
		if _, ok := s.channels[name]; !ok {
			leave = append(leave, name)
		}
	}
	clear(joined)
	maps.Copy(joined, s.channels)
	slices.Sort(join)
	slices.Sort(leave)
	return join, leave
}

// Messages connects and yields messages until the loop is left or the context
// ends. Everything that is not a message is yielded as an error:
//
//   - a [Reconnected] tells that messages may have been missed. The loop can go on.
//   - The reason why the context ended, at last.
//   - An [Error] when, before there ever was a connection, the server refuses it
//     with a status that says that trying again is of no use (400 to 499, but not
//     408 or 429). A later refusal is tried again, as a server that is being
//     replaced may give it.
//
// The body of the loop is what the messages wait for. While it works none are
// read, and a server closes a connection that stays too far behind.
func (s *Subscriber) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		if !s.inUse.CompareAndSwap(false, true) {
			yield(Message{}, ErrInUse)
			return
		}
		defer s.inUse.Store(false)
		l := loop{s: s, yield: yield}
		if err := l.run(ctx); !errors.Is(err, errLeft) {
			yield(Message{}, err)
		}
	}
}
