package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/tail"
)

// This file is about the events of the other nodes. A node with a reader of /v2/tail asks the others
// every tailPoll for the events since its last question. A node that is asked watches its own log
// until there was no further question for watchLife.

const (
	tailPoll  = 250 * time.Millisecond
	watchLife = 10 * time.Second
)

// A tailQuestion asks for the events since the last question of the same watch.
type tailQuestion struct {
	Watch  string     `json:"watch"` // a random text
	Filter tailFilter `json:"filter"`
}

// A nodeEvent is an event with its kind.
type nodeEvent struct {
	Kind tail.Kind `json:"event"`
	tailJSON
}

// A tailAnswer has the events of a node, and how many are missing after them.
type tailAnswer struct {
	Events []nodeEvent `json:"events"`
	Missed uint64      `json:"missed,omitempty"`
}

// pollTails sends the events of the other nodes to parts until ctx ends.
func (s *service) pollTails(ctx context.Context, f tailFilter, parts chan<- tailPart) {
	if s.options.Nodes == nil {
		return
	}
	q := tailQuestion{Watch: rand.Text(), Filter: f}
	filter, err := f.filter()
	if err != nil {
		return // watchTail has checked it
	}
	var last answered
	for {
		answers, now := ask(ctx, s, askTail, q, func(node string, a *tailAnswer) error { return a.check(&filter, f.Payload) })
		var send []tailPart
		if now.nodes != last.nodes || !slices.Equal(now.silent, last.silent) {
			last = now
			send = append(send, tailPart{nodes: now.json()})
		}
		for node, a := range answers {
			if p := a.part(node); len(p.events) > 0 || p.missed > 0 {
				send = append(send, p)
			}
		}
		for _, p := range send {
			select {
			case parts <- p:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-time.After(tailPoll):
		case <-ctx.Done():
			return
		}
	}
}

// check checks the answer of another node.
func (a *tailAnswer) check(f *tail.Filter, payload bool) error {
	if len(a.Events) > tail.MaxQueue {
		return fmt.Errorf("it has %d events, more than %d", len(a.Events), tail.MaxQueue)
	}
	for i := range a.Events {
		e := &a.Events[i]
		switch {
		case !slices.Contains(tail.Kinds(), e.Kind):
			return fmt.Errorf("%.40q is not a kind of event", e.Kind)
		case e.Kind == tail.Message && len(e.tailJSON.Message) > 0 && !payload:
			return errors.New("it has messages that were not asked for")
		case !f.Matches(&tail.Event{Kind: e.Kind, Channel: e.Channel, User: e.User, Session: e.Session}):
			return errors.New("it has events that were not asked for")
		}
		for _, text := range []string{
			e.Time, e.Channel, e.Position, e.Session, e.User, e.Token, e.Key, e.Traceparent, e.Address, e.Transport, e.Verb, e.Code, e.Reason, e.From, e.To, e.Action,
		} {
			if !validText(text) {
				return fmt.Errorf("a text is longer than %d bytes, or not valid UTF-8", maxNodeText)
			}
		}
	}
	return nil
}

// part returns the events as those of the node.
func (a *tailAnswer) part(node string) tailPart {
	p := tailPart{events: make([]tailJSON, len(a.Events)), missed: a.Missed}
	for i, e := range a.Events {
		p.events[i] = e.tailJSON
		p.events[i].Event, p.events[i].Node = e.Kind, node
	}
	return p
}

// nodeWatches are the watches of other nodes.
type nodeWatches struct {
	mu  sync.Mutex
	all map[string]*nodeWatch
}

// nodeWatch is a watch of another node.
type nodeWatch struct {
	watcher *tail.Watcher
	end     *time.Timer
}

// find returns the watch of a question, and begins it if there is none.
func (n *nodeWatches) find(t *tail.Log, q *tailQuestion) (*tail.Watcher, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w := n.all[q.Watch]; w != nil {
		if w.end.Reset(watchLife) {
			return w.watcher, nil
		}
		w.end.Stop() // it has ended just now
	}
	filter, err := q.Filter.filter()
	if err != nil {
		return nil, err
	}
	watcher, err := t.Watch(filter)
	if err != nil {
		return nil, err
	}
	if n.all == nil {
		n.all = make(map[string]*nodeWatch)
	}
	w := &nodeWatch{watcher: watcher}
	w.end = time.AfterFunc(watchLife, func() {
		watcher.Close()
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.all[q.Watch] == w {
			delete(n.all, q.Watch)
		}
	})
	n.all[q.Watch] = w
	return watcher, nil
}

// answerTail answers another node.
func (s *service) answerTail(_ context.Context, q *tailQuestion) (any, error) {
	w, err := s.watches.find(s.options.Tail, q)
	if err != nil {
		return nil, err
	}
	part, err := takeTail(w, "", q.Filter.Payload)
	if err != nil {
		return nil, err
	}
	a := tailAnswer{Events: make([]nodeEvent, len(part.events)), Missed: part.missed}
	for i, e := range part.events {
		a.Events[i] = nodeEvent{e.Event, e}
	}
	return a, nil
}
