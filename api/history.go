package api

import (
	"errors"
	"net/http"

	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/protocol2"
	"github.com/boreas-pubsub/boreas/internal/wire"
)

// history returns a channel's messages, page by page.
func (s *service) history(dst []byte, w http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	if err := access.ValidChannel(q.name); err != nil {
		return nil, 0, err
	}
	limit, err := q.limit()
	if err != nil {
		return nil, 0, err
	}
	var since engine.Position
	if text, given := q.values["since"]; given {
		if since, err = engine.ParsePosition(text); err != nil {
			return nil, 0, err
		}
	}
	h, err := s.hub.History(r.Context(), q.name, since, engine.Limit{Messages: limit, Bytes: protocol2.PageBytes})
	if errors.Is(err, engine.ErrExpired) || errors.Is(err, engine.ErrUnknownEpoch) || errors.Is(err, engine.ErrAhead) {
		return nil, 0, &staleError{err, h.Floor}
	}
	if err != nil {
		return nil, 0, err
	}
	page := protocol2.NewPage(q.name, since, h)
	if err := awaitAnswer(r.Context(), w, page.Bytes()); err != nil {
		return nil, 0, err
	}
	dst = page.AppendMessages(wire.AppendV2PageOpen(dst, q.name))
	var text [64]byte // for a position
	return wire.AppendV2PageClose(dst, page.Position.Append(text[:0]), page.More), http.StatusOK, nil
}
