package api

import (
	"errors"
	"net/http"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// history returns a channel's messages, page by page.
func (s *service) history(dst []byte, w http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	if err := access.ValidChannel(q.name); err != nil {
		return nil, 0, err
	}
	request, err := q.history()
	if err != nil {
		return nil, 0, err
	}
	h, err := request.Read(func(since engine.Position, limit engine.Limit) (engine.History, error) {
		return s.hub.History(r.Context(), q.name, since, limit)
	})
	if errors.Is(err, engine.ErrExpired) || errors.Is(err, engine.ErrUnknownEpoch) || errors.Is(err, engine.ErrAhead) {
		return nil, 0, &staleError{err, h.Floor}
	}
	if err != nil {
		return nil, 0, err
	}
	page := protocol2.NewPage(q.name, &request, h)
	if err := awaitAnswer(r.Context(), w, page.Bytes()); err != nil {
		return nil, 0, err
	}
	dst = page.AppendMessages(wire.AppendV2PageOpen(dst, q.name))
	var text [64]byte // for a position
	return wire.AppendV2PageClose(dst, page.Position.Append(text[:0]), page.More), http.StatusOK, nil
}

// historyParameters are the query parameters of a page of history.
var historyParameters = []string{"since", "before", "last", "times", "limit"}

// history returns the request for a page of history.
func (q query) history() (r protocol2.HistoryRequest, err error) {
	since, hasSince := q.values["since"]
	before, hasBefore := q.values["before"]
	_, hasLast := q.values["last"]
	_, hasLimit := q.values["limit"]
	if err := protocol2.HistoryMembers(hasSince, hasBefore, hasLast, hasLimit); err != nil {
		return r, err
	}
	if hasLast {
		r.Last, err = q.number("last")
	} else {
		r.Limit, err = q.limit()
	}
	if err == nil && hasSince {
		r.Since, err = engine.ParsePosition(since)
	}
	if err == nil && hasBefore {
		r.Before, err = protocol2.Position(before)
	}
	if err == nil {
		r.Times, err = q.flag("times")
	}
	return r, err
}
