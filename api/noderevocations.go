package api

import (
	"context"
	"crypto/rand"
	"errors"
)

// This file applies changes of tokens on all nodes. The change is in the store that the authorities
// of all nodes share, and each of them applies it to the sessions of its node as soon as it reads it.
// So a node that does not answer applies the change too, later.

// A cut is the number of sessions that a change has ended or changed.
type cut struct {
	sessions int
	answered
}

// cutJSON is a cut in the API's format.
type cutJSON struct {
	Sessions int           `json:"sessions"`
	Nodes    *answeredJSON `json:"nodes,omitempty"`
}

func (c cut) json() cutJSON { return cutJSON{c.sessions, c.answered.json()} }

// newChange returns a random text for a change of tokens, or "" without a cluster.
func (s *service) newChange() string {
	if s.options.Nodes == nil {
		return ""
	}
	return rand.Text()
}

// An applyQuestion asks a node to apply a change that is stored.
type applyQuestion struct {
	Position uint64 `json:"position"` // the store has the change up to this position
	Change   string `json:"change"`
}

// An applyAnswer has the number of the node's sessions to which the change applied.
type applyAnswer struct {
	Sessions int `json:"sessions"`
}

// applyOnNodes returns when the other nodes have applied a change. Own is the number of sessions of
// this node.
func (s *service) applyOnNodes(ctx context.Context, change string, own int) cut {
	if s.options.Nodes == nil {
		return cut{sessions: own}
	}
	q := applyQuestion{s.options.Authority.Position(), change}
	answers, answered := ask(ctx, s, askApply, q, func(_ string, a *applyAnswer) error { return checkCount(a.Sessions) })
	for _, a := range answers {
		own += a.Sessions
	}
	return cut{own, answered}
}

func (s *service) answerApply(ctx context.Context, q *applyQuestion) (any, error) {
	if q.Change == "" {
		return nil, errors.New("the question names no change")
	}
	n, err := s.options.Authority.ApplyUpTo(ctx, q.Position, q.Change)
	return applyAnswer{n}, err
}
