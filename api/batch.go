package api

import (
	"net/http"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
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
	errs := make([]error, len(items))
	var publish []engine.Item
	for i, item := range items {
		switch {
		case item.Err != nil:
			errs[i] = malformed("This message is not valid: %v.", item.Err)
		default:
			if errs[i] = s.allowedOn(r, q.call, item.Channel); errs[i] != nil {
				s.note(r, q.call, item.Channel, errs[i])
			} else if !dryRun {
				publish = append(publish, engine.Item{Channel: item.Channel, Message: s.message(r, q.call, item)})
			}
		}
	}
	results := s.hub.PublishMany(s.publishing(r, q.call), publish) // of the items without an error, unless it is a dry run
	dst = append(dst, `{"results":[`...)
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		var out []byte
		err := errs[i]
		switch {
		case err != nil:
		case dryRun:
			out, _, err = s.dryRun(dst, q.call, item)
		default:
			out, _, err = s.appendResult(dst, q.call, item.Channel, results[0].Ack, results[0].Err)
			results = results[1:]
		}
		if err != nil {
			out = s.appendError(dst, err)
		}
		dst = out
	}
	return append(dst, "]}"...), http.StatusOK, nil
}
