package api

import "net/http"

// purge drops all messages that a channel keeps.
func (s *service) purge(dst []byte, _ http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	at, err := s.hub.Purge(r.Context(), q.name)
	if err != nil {
		return nil, 0, err
	}
	s.options.Log.Info("the messages of a channel were purged", "channel", q.name, "position", at.String(), "by", q.by())
	return append(at.Append(append(dst, `{"position":"`...)), `"}`...), http.StatusOK, nil
}
