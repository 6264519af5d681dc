package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// This file answers whether a message has arrived, and which sessions of all nodes have it.

// maxLate is the maximum number of sessions without the message that an answer lists.
const maxLate = 100

// A traceQuestion asks which sessions have a message.
type traceQuestion struct {
	Channel  string `json:"channel"`
	Position string `json:"position"`
}

// A traceAnswer says which sessions of a node have a message, and who published it there.
type traceAnswer struct {
	Delivered   int        `json:"delivered"`
	Subscribers int        `json:"subscribers"`
	Behind      []lateJSON `json:"behind"`
	By          *byJSON    `json:"by,omitempty"` // nil if the node does not know it

	Traceparent string `json:"traceparent,omitempty"` // likewise ""
}

// lateJSON is a session without the message, in the API's format.
type lateJSON struct {
	Session string `json:"session"`
	User    string `json:"user,omitempty"`
	Behind  int    `json:"behind"`
	Blocked int64  `json:"blocked_ms"`
}

// byJSON says who published a message, in the API's format. Members that do not apply are left out.
type byJSON struct {
	Key     string `json:"key,omitempty"`
	Name    string `json:"name,omitempty"` // of the key
	Token   string `json:"token,omitempty"`
	User    string `json:"user,omitempty"`
	Session string `json:"session,omitempty"`
	Node    string `json:"node,omitempty"` // set by the node that asks
}

// traceMessage describes a message, who published it, and which sessions have it.
func (s *service) traceMessage(dst []byte, w http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	if err := access.ValidChannel(q.name); err != nil {
		return nil, 0, err
	}
	at, err := engine.ParsePosition(q.position)
	if err != nil {
		return nil, 0, err
	}
	p, floor, err := s.hub.Message(r.Context(), q.name, at)
	if err != nil {
		return nil, 0, noMessage(err, floor)
	}
	if q.seesPayloads() {
		if err := awaitAnswer(r.Context(), w, len(p.Data)); err != nil {
			return nil, 0, err
		}
	}
	all := traceAnswer{Behind: []lateJSON{}}
	own := s.ownTrace(q.name, at)
	all.add(s.options.Node, &own)
	answers, answered := ask(r.Context(), s, askTrace, traceQuestion{q.name, at.String()}, func(node string, a *traceAnswer) error { return a.check(node) })
	for node, a := range answers {
		all.add(node, a)
	}
	all.sort()
	dst = appendString(append(dst, `{"channel":`...), q.name)
	dst = at.Append(append(dst, `,"position":"`...))
	dst = time.Unix(0, p.Time).UTC().AppendFormat(append(dst, `","time":"`...), "2006-01-02T15:04:05.000Z")
	dst = strconv.AppendInt(append(dst, `","size":`...), int64(len(p.Data)), 10)
	if q.seesPayloads() {
		dst = append(append(dst, `,"message":`...), p.Data...)
	}
	if all.By != nil {
		dst = appendJSON(append(dst, `,"by":`...), all.By)
	}
	if all.Traceparent != "" {
		dst = appendString(append(dst, `,"traceparent":`...), all.Traceparent)
	}
	dst = strconv.AppendInt(append(dst, `,"delivered":`...), int64(all.Delivered), 10)
	dst = strconv.AppendInt(append(dst, `,"subscribers":`...), int64(all.Subscribers), 10)
	dst = appendJSON(append(dst, `,"behind":`...), all.Behind)
	return append(answered.append(dst), '}'), http.StatusOK, nil
}

// noMessage returns the error for a position without a message. It says which of the reasons it is.
func noMessage(err error, oldest engine.Position) error {
	var text string
	switch {
	case errors.Is(err, boreas.ErrNoMessage):
		text = "No message has this position: it is the start of the log, or a place between two messages. " +
			"Use the position that came with the message or its publish, unchanged, and the channel of that message."
	case errors.Is(err, engine.ErrPurged):
		text = "An operator has purged the channel: it keeps only the messages after `oldest`. Publish the message again if it was purged by mistake."
	case errors.Is(err, engine.ErrExpired):
		text = "The channel does not keep the message any more: it keeps only the messages after `oldest`. " +
			"To keep messages longer, raise the options history_messages, history_bytes and history_age, or those of the channel's rule."
	case errors.Is(err, engine.ErrAhead):
		text = "The position is after the newest message, so no message of this log has had it yet. " +
			"If it came with a message of this channel, the log has lost its end: publish the message again."
	case errors.Is(err, engine.ErrUnknownEpoch):
		text = "The position belongs to another log: of another channel or server, or an earlier one of this channel, whose messages are lost. " +
			"Check the channel. If it is the right one, publish the message again; with data_dir, messages survive a restart."
	default:
		return err
	}
	return &staleError{fault.NoMessage.With(text), oldest}
}

// ownTrace returns which sessions of this node have a message.
func (s *service) ownTrace(channel string, at engine.Position) traceAnswer {
	r := s.hub.Reach(channel, at, maxLate)
	a := traceAnswer{Delivered: r.Reached, Subscribers: r.Sessions, Behind: make([]lateJSON, len(r.Behind)), By: s.publisher(channel, at)}
	if e, ok := s.options.Tail.Publisher(channel, at); ok {
		a.Traceparent = e.Traceparent
	}
	for i, l := range r.Behind {
		a.Behind[i] = lateJSON{l.Session, l.User, l.Behind, l.Blocked.Milliseconds()}
	}
	return a
}

// publisher returns who published a message on this node, or nil if that is not known.
func (s *service) publisher(channel string, at engine.Position) *byJSON {
	e, ok := s.options.Tail.Publisher(channel, at)
	if !ok || e.Key == "" && e.Token == "" && e.User == "" && e.Session == "" {
		return nil
	}
	by := byJSON{Key: e.Key, Token: e.Token, User: e.User, Session: e.Session}
	if e.Key != "" {
		for _, k := range s.options.Authority.Keys() {
			if k.ID == e.Key {
				by.Name = k.Name
			}
		}
	}
	return &by
}

// add adds the answer of a node.
func (a *traceAnswer) add(node string, other *traceAnswer) {
	a.Delivered += other.Delivered
	a.Subscribers += other.Subscribers
	a.Behind = append(a.Behind, other.Behind...)
	if other.By != nil {
		a.By = other.By
		a.By.Node = node
	}
	a.Traceparent = cmp.Or(a.Traceparent, other.Traceparent)
}

// sort sorts the sessions of all nodes, and keeps the first ones.
func (a *traceAnswer) sort() {
	slices.SortStableFunc(a.Behind, func(x, y lateJSON) int {
		return cmp.Or(cmp.Compare(y.Behind, x.Behind), cmp.Compare(x.Session, y.Session))
	})
	a.Behind = a.Behind[:min(len(a.Behind), maxLate)]
}

// check checks the answer of another node.
func (a *traceAnswer) check(node string) error {
	if a.Traceparent != "" && parseTraceparent(a.Traceparent) == "" {
		return fmt.Errorf("%q is not a traceparent", a.Traceparent)
	}
	if err := checkCount(a.Subscribers); err != nil {
		return err
	}
	if a.Delivered < 0 || a.Delivered > a.Subscribers || len(a.Behind) > min(maxLate, a.Subscribers-a.Delivered) {
		return fmt.Errorf("of %d sessions, %d have the message and %d are behind", a.Subscribers, a.Delivered, len(a.Behind))
	}
	for _, l := range a.Behind {
		if found, ok := boreas.SessionNode(l.Session); !ok || found != node {
			return fmt.Errorf("%.40q is not the ID of one of its sessions", l.Session)
		}
		if !validText(l.User) || l.Behind < 1 || l.Blocked < 0 {
			return fmt.Errorf("the session %s is %d messages behind and was blocked for %d ms, or its user is not valid", l.Session, l.Behind, l.Blocked)
		}
	}
	if a.By != nil {
		for _, text := range []string{a.By.Key, a.By.Name, a.By.Token, a.By.User, a.By.Session} {
			if !validText(text) {
				return fmt.Errorf("a text is longer than %d bytes, or not valid UTF-8", maxNodeText)
			}
		}
	}
	return nil
}

func (s *service) answerTrace(_ context.Context, q *traceQuestion) (any, error) {
	at, err := engine.ParsePosition(q.Position)
	if err != nil {
		return nil, err
	}
	return s.ownTrace(q.Channel, at), nil
}
