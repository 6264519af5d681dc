package api

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/internal/wire"
)

// maxBatch is the maximum number of messages in one request.
const maxBatch = 1000

// resultBytes is the maximum size of one message's result, in bytes.
const resultBytes = 1024

// publishBatch publishes many messages in order and responds with a result for each. The status is
// 200 if the request itself is valid, even if messages failed.
func (s *service) publishBatch(dst []byte, w http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	dryRun, err := q.flag("dry_run")
	if err != nil {
		return nil, 0, err
	}
	if len(r.Header["Idempotency-Key"]) > 0 {
		return nil, 0, malformed("The header Idempotency-Key does not apply to many messages: give each message its own `key`.")
	}
	buf := getBuffer()
	defer putBuffer(buf)
	if err := s.readBody(w, r, q.call, buf); err != nil {
		return nil, 0, s.badBody(w, err)
	}
	items, err := wire.ParseBatch(buf.Bytes(), maxBatch)
	if err != nil {
		return nil, 0, malformed("The body must be an object with a list of messages: %v.", err)
	}
	// Wait before publishing, because afterwards the results could not be sent.
	if err := awaitAnswer(r.Context(), w, resultBytes*len(items)); err != nil {
		return nil, 0, err
	}
	dst = append(dst, `{"results":[`...)
	var late error
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		err := cmp.Or(item.Err, late) // after a timeout, each further message would wait as long again
		if item.Err != nil {
			err = malformed("This message is not valid: %v.", err)
		} else if err != nil {
			// not published
		} else if err = s.allowedOn(r, q.call, item.Channel); err != nil {
			s.note(r, q.call, item.Channel, err)
		} else if out, _, e := s.publishOne(dst, r, q.call, item, dryRun); e != nil {
			if err = e; errors.Is(err, boreas.ErrEngineTimeout) {
				late = err
			}
		} else {
			dst = out
		}
		if err != nil {
			dst = s.appendError(dst, err)
		}
	}
	return append(dst, "]}"...), http.StatusOK, nil
}
