package api

import (
	"context"
	"net/http"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A purgeQuestion asks a node to forget the messages that its tail has kept.
type purgeQuestion struct {
	Channel  string `json:"channel"`
	Position string `json:"position"` // up to which the messages were purged
}

type purgeAnswer struct {
	Purged bool `json:"purged"`
}

// purge drops all messages that a channel keeps, also those that the tails of all nodes have kept for
// new readers.
func (s *service) purge(dst []byte, _ http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	at, err := s.hub.Purge(r.Context(), q.name)
	if err != nil {
		return nil, 0, err
	}
	s.options.Log.Info("the messages of a channel were purged", "channel", q.name, "position", at.String(), "by", q.by())
	s.options.Tail.Forget(q.name, at)
	_, answered := ask[purgeQuestion, purgeAnswer](r.Context(), s, askPurge, purgeQuestion{q.name, at.String()}, nil)
	if len(answered.silent) > 0 {
		s.options.Log.Warn("nodes did not answer a purge: until they restart or have 256 later messages, their tail may show the purged ones to new readers; "+
			"repeat the purge when they answer", "channel", q.name, "nodes", answered.silent)
	}
	return append(at.Append(append(dst, `{"position":"`...)), `"}`...), http.StatusOK, nil
}

func (s *service) answerPurge(_ context.Context, q *purgeQuestion) (any, error) {
	at, err := engine.ParsePosition(q.Position)
	if err != nil {
		return nil, err
	}
	s.options.Tail.Forget(q.Channel, at)
	return purgeAnswer{true}, nil
}
