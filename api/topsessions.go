package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/boreas-pubsub/boreas/v2"
)

// This file is about the first sessions in an order other than that of their IDs.

// A topQuestion asks for the first sessions of a node in an order.
type topQuestion struct {
	sessionsQuestion
	Order string `json:"order"`
}

// sessionOrders are the values of the parameter order. A list in one of these orders has no pages,
// because the sessions change their places all the time.
var sessionOrders = map[string]boreas.SessionOrder{"behind": boreas.MostBehind, "since": boreas.NewestFirst}

// compare compares sessions in the question's order.
func (q *topQuestion) compare(a, b *sessionRow) int {
	if sessionOrders[q.Order] == boreas.NewestFirst {
		return b.Since.Compare(a.Since)
	}
	return cmp.Compare(b.Behind, a.Behind)
}

// listTopSessions lists the first sessions of all nodes in an order.
func (s *service) listTopSessions(dst []byte, r *http.Request, wanted sessionsQuestion, order string) ([]byte, int, error) {
	if _, known := sessionOrders[order]; !known {
		return nil, 0, malformed("The parameter order is %.40q: it must be behind or since.", order)
	}
	if wanted.After != "" {
		return nil, 0, malformed("The parameter after cannot be used with order: the list has no further pages. Use a higher limit.")
	}
	q := topQuestion{wanted, order}
	list := s.topSessions(&q)
	pages, answered := ask(r.Context(), s, askTopSessions, q, func(node string, p *sessionsPage) error { return p.checkTop(node, &q) })
	for _, p := range pages {
		list = append(list, p.Sessions...)
	}
	slices.SortFunc(list, func(a, b sessionRow) int { return cmp.Or(q.compare(&a, &b), cmp.Compare(a.ID, b.ID)) })
	dst = appendSessions(dst, list[:min(len(list), wanted.Limit)])
	return append(answered.append(dst), '}'), http.StatusOK, nil
}

// topSessions returns the first sessions of this node.
func (s *service) topSessions(q *topQuestion) []sessionRow {
	list := []sessionRow{}
	for _, info := range s.hub.TopSessions(sessionOrders[q.Order], q.Limit, q.wants) {
		list = append(list, newSessionRow(info))
	}
	return list
}

// checkTop checks the answer of another node.
func (p *sessionsPage) checkTop(node string, q *topQuestion) error {
	if len(p.Sessions) > q.Limit {
		return fmt.Errorf("it has %d sessions, more than %d", len(p.Sessions), q.Limit)
	}
	for i := range p.Sessions {
		r := &p.Sessions[i]
		if err := r.check(node); err != nil {
			return err
		}
		if i > 0 && q.compare(&p.Sessions[i-1], r) > 0 {
			return errors.New("the sessions are not in order")
		}
	}
	return nil
}

func (s *service) answerTopSessions(_ context.Context, q *topQuestion) (any, error) {
	if _, known := sessionOrders[q.Order]; !known || q.Limit < 1 || q.Limit > maxLimit {
		return nil, fmt.Errorf("the order of sessions is %.40q and the limit %d", q.Order, q.Limit)
	}
	return sessionsPage{Sessions: s.topSessions(q)}, nil
}
