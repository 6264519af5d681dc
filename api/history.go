package api

import (
	"errors"
	"net/http"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/internal/wire"
)

// maxPage is how many bytes of messages a page of history has, but for one message
// that is larger.
const maxPage = 256 << 10

// history reads a channel's messages, a page at a time.
func (s *service) history(dst []byte, _ http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	if err := boreas.ValidChannel(q.name); err != nil {
		return nil, 0, err
	}
	limit, err := q.limit()
	if err != nil {
		return nil, 0, err
	}
	var since boreas.Position
	if text, given := q.values["since"]; given {
		if since, err = boreas.ParsePosition(text); err != nil {
			return nil, 0, err
		}
	}
	h, err := s.hub.History(r.Context(), q.name, since, limit)
	if errors.Is(err, boreas.ErrExpired) || errors.Is(err, boreas.ErrUnknownEpoch) || errors.Is(err, boreas.ErrAhead) {
		return nil, 0, &staleError{err, h.Floor}
	}
	if err != nil {
		return nil, 0, err
	}
	dst = wire.AppendV2PageOpen(dst, q.name)
	at, size := h.Head, 0
	var text [64]byte // of a position
	for i, p := range h.Publications {
		if size += len(p.Data); size > maxPage && i > 0 {
			break
		}
		at.Offset = p.Offset
		dst = wire.AppendV2HistoryMessage(dst, p.Data, at.Append(text[:0]))
	}
	return wire.AppendV2PageClose(dst, at.Append(text[:0]), at.Offset < h.Head.Offset), http.StatusOK, nil
}
