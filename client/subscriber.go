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

// A Subscriber receives the messages of channels over the classic wire. It reconnects when the
// connection is lost. Join and Leave are safe for concurrent use.
type Subscriber struct {
	// Immutable after NewSubscriber.
	o       *SubscriberOptions // a pointer, so that printing a Subscriber does not print the token
	random  func(time.Duration) time.Duration
	changed chan struct{} // holds a token when channels has changed; capacity 1

	inUse atomic.Bool // a loop is running

	mu       sync.Mutex
	channels map[string]struct{} // the channels to join; guarded by mu
}

// NewSubscriber returns a Subscriber, or an error if the options are invalid. It connects when the
// caller ranges over [Subscriber.Messages].
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

// Join adds channels to the current connection and to each later one. It does not wait for the
// server. If a name is invalid, Join returns an error and adds no channel.
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

// Leave removes channels from the current connection and from each later one. It does not wait for
// the server, so messages that are on their way still arrive.
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

// difference returns the channels to join and to leave on a connection that has joined the given
// channels. It updates joined.
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

// Messages connects and yields messages until the loop is left or the context ends. Everything else
// is yielded as an error:
//
//   - A [Reconnected] reports that messages may have been missed. The loop can continue.
//   - The last error is the cause of the context's end.
//   - An [Error] is yielded if the server refuses the first connection with a status that makes a
//     retry useless: 300 to 499 except 408, 425 and 429. A later refusal is retried, because it may
//     come from a server that is being replaced.
//
// The Subscriber reads no further messages while the body of the loop runs. A server closes a
// connection that stays too far behind.
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
