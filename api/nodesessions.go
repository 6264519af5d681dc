package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// This file is about the sessions of all nodes.

// sessionsOfNodes returns a page of the sessions of all nodes. Own is that of this node.
//
// The order is that of the IDs: by node, then by number. It does not depend on which sessions and
// nodes there are, so a session that lives the whole time is on exactly one page, unless its node was
// silent. The page ends before the first session that a node may have left out.
func (s *service) sessionsOfNodes(ctx context.Context, q sessionsQuestion, own sessionsPage) (sessionsPage, answered) {
	pages, answered := ask(ctx, s, askSessions, q, func(node string, p *sessionsPage) error { return p.check(node, &q) })
	if answered.nodes == 0 {
		return own, answered
	}
	pages[s.options.Node] = &own
	page := sessionsPage{}
	for _, node := range slices.Sorted(maps.Keys(pages)) {
		p := pages[node]
		room := q.Limit - len(page.Sessions)
		if len(p.Sessions) > room || room == 0 && p.More {
			page.Sessions = append(page.Sessions, p.Sessions[:room]...)
			page.Last, page.More = page.Sessions[q.Limit-1].ID, true
			break
		}
		page.Sessions = append(page.Sessions, p.Sessions...)
		if p.More {
			page.Last, page.More = p.Last, true
			break
		}
	}
	return page, answered
}

// check checks a page of another node: each session is a session of that node, and they are in order.
func (p *sessionsPage) check(node string, q *sessionsQuestion) error {
	if len(p.Sessions) > q.Limit {
		return fmt.Errorf("it has %d sessions, more than %d", len(p.Sessions), q.Limit)
	}
	last := q.After
	for i := range p.Sessions {
		r := &p.Sessions[i]
		if err := r.check(node); err != nil {
			return err
		}
		if !sessionAfter(r.ID, last) {
			return errors.New("the sessions are not in order")
		}
		last = r.ID
	}
	if !p.More {
		return nil
	}
	if found, ok := boreas.SessionNode(p.Last); !ok || found != node || p.Last != last && !sessionAfter(p.Last, last) {
		return errors.New("it has more sessions, but does not say after which one")
	}
	if p.Last == q.After {
		return errors.New("it has more sessions, but has looked at none")
	}
	return nil
}

// sessionAfter reports whether the session with an ID comes after the session with another one, or
// after "". Numbers have no leading zeros, so a longer one is higher.
func sessionAfter(id, other string) bool {
	if other == "" {
		return true
	}
	node, _ := boreas.SessionNode(id)
	before, _ := boreas.SessionNode(other)
	return cmp.Or(cmp.Compare(node, before), cmp.Compare(len(id), len(other)), strings.Compare(id, other)) > 0
}

// maxNodeText is the longest text of another node about a session, such as the name of a transport,
// in bytes.
const maxNodeText = 1024

// check checks a session of another node.
func (r *sessionRow) check(node string) error {
	if found, ok := boreas.SessionNode(r.ID); !ok || found != node {
		return fmt.Errorf("%.40q is not the ID of one of its sessions", r.ID)
	}
	for _, text := range []string{r.User, r.Token, r.Transport, r.Address} {
		if len(text) > maxNodeText {
			return fmt.Errorf("a text has %d bytes, more than %d", len(text), maxNodeText)
		}
	}
	for _, at := range []time.Time{r.Expires, r.Since} {
		if year := at.UTC().Year(); year > 9999 || year < 1 { // RFC 3339 cannot express it
			return fmt.Errorf("the time %v is not plausible", at)
		}
	}
	if r.Joined < 0 || r.Behind < 0 || r.Blocked < 0 {
		return fmt.Errorf("a session has joined %d channels, is %d messages behind and was blocked for %d ms", r.Joined, r.Behind, r.Blocked)
	}
	for _, p := range r.Places {
		if _, err := engine.ParsePosition(p.Position); err != nil || access.ValidChannel(p.Channel) != nil || p.Behind < 0 {
			return fmt.Errorf("a session has the place %.40q in %.40q, %d messages behind", p.Position, p.Channel, p.Behind)
		}
	}
	for _, name := range r.Channels {
		if err := access.ValidChannel(name); err != nil {
			return err
		}
	}
	return nil
}

// A sessionQuestion names a session.
type sessionQuestion struct {
	ID string `json:"id"`
}

// A sessionAnswer has the session, or nil if the node has no such session.
type sessionAnswer struct {
	Session *sessionRow `json:"session"`
}

// An endAnswer says whether the node has ended the session.
type endAnswer struct {
	Ended bool `json:"ended"`
}

// ownSession describes a session of this node with its channels.
func (s *service) ownSession(id string) (*sessionRow, error) {
	info, err := s.hub.SessionInfo(id)
	if err != nil {
		return nil, err
	}
	row := newSessionRow(info)
	row.Channels = info.Channels
	for _, p := range info.Places {
		row.Places = append(row.Places, place{p.Channel, p.Position.String(), p.Behind})
	}
	return &row, nil
}

// nodeOf returns the other node whose session has the ID, or "" if only this node can have it.
func (s *service) nodeOf(id string) string {
	node, _ := boreas.SessionNode(id)
	if s.options.Nodes == nil || node == s.options.Node {
		return ""
	}
	return node
}

// findSession describes a session of any node.
func (s *service) findSession(ctx context.Context, id string) (*sessionRow, answered, error) {
	node := s.nodeOf(id)
	if node == "" {
		row, err := s.ownSession(id)
		return row, s.alone(), err
	}
	answers, answered := ask(ctx, s, askSession, sessionQuestion{id}, func(from string, a *sessionAnswer) error {
		switch {
		case a.Session == nil:
			return nil
		case a.Session.ID != id:
			return fmt.Errorf("it is about the session %.40q", a.Session.ID)
		}
		return a.Session.check(from)
	})
	if a := answers[node]; a != nil && a.Session != nil {
		return a.Session, answered, nil
	}
	return nil, answered, cmp.Or(answered.without(node), error(boreas.ErrNoSession))
}

// endSessionAnywhere ends a session of any node.
func (s *service) endSessionAnywhere(ctx context.Context, id string) error {
	node := s.nodeOf(id)
	if node == "" {
		return s.hub.EndSession(id, boreas.ErrTerminated)
	}
	answers, answered := ask[sessionQuestion, endAnswer](ctx, s, askEnd, sessionQuestion{id}, nil)
	if a := answers[node]; a != nil && a.Ended {
		return nil
	}
	return cmp.Or(answered.without(node), error(boreas.ErrNoSession))
}

func (s *service) answerSessions(_ context.Context, q *sessionsQuestion) (any, error) {
	if q.Limit < 1 || q.Limit > maxLimit {
		return nil, fmt.Errorf("the limit of sessions is %d", q.Limit)
	}
	return s.sessions(q)
}

func (s *service) answerSession(_ context.Context, q *sessionQuestion) (any, error) {
	row, err := s.ownSession(q.ID)
	if err != nil && !errors.Is(err, boreas.ErrNoSession) {
		return nil, err
	}
	return sessionAnswer{row}, nil
}

func (s *service) answerEnd(_ context.Context, q *sessionQuestion) (any, error) {
	err := s.hub.EndSession(q.ID, boreas.ErrTerminated)
	if err != nil && !errors.Is(err, boreas.ErrNoSession) {
		return nil, err
	}
	return endAnswer{err == nil}, nil
}
