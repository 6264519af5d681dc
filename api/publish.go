package api

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"unicode/utf8"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/coding"
	"github.com/boreas-pubsub/boreas/v2/internal/credential"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// publish publishes the body to a channel. The body is the message, whatever the Content-Type,
// because curl -d sends the type of a form. It is a hot path.
func (s *service) publish(dst []byte, w http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	dryRun, err := q.flag("dry_run")
	if err != nil {
		return nil, 0, err
	}
	key, err := idempotencyKey(r.Header)
	if err != nil {
		return nil, 0, err
	}
	buf := getBuffer()
	defer putBuffer(buf)
	if err := s.readBody(w, r, q.call, buf); err != nil {
		return nil, 0, s.badBody(w, err)
	}
	message, err := wire.ParseMessage(buf.Bytes())
	if err != nil {
		return nil, 0, malformed("The body must be one JSON value, the message: %v.", err)
	}
	item := wire.Item{Channel: q.name, Message: message, Key: key}
	if dryRun {
		return s.dryRun(dst, q.call, item)
	}
	ack, err := s.hub.Publish(s.publishing(r, q.call), q.name, s.message(r, q.call, item))
	return s.appendResult(dst, q.call, q.name, ack, err)
}

// idempotencyKey returns the header Idempotency-Key, or "" if it is missing.
func idempotencyKey(h http.Header) (string, error) {
	switch list := h["Idempotency-Key"]; {
	case len(list) == 0:
		return "", nil
	case len(list) > 1:
		return "", malformed("The header Idempotency-Key is present %d times.", len(list))
	case list[0] == "":
		return "", boreas.ErrKey
	case !utf8.ValidString(list[0]):
		return "", malformed("The header Idempotency-Key is not valid UTF-8.")
	default:
		return list[0], nil
	}
}

// dryRun checks one message without publishing it, and appends the result.
func (s *service) dryRun(dst []byte, c *call, item wire.Item) ([]byte, int, error) {
	if err := access.ValidChannel(item.Channel); err != nil {
		return nil, 0, err
	}
	if len(item.Key) > engine.MaxKey {
		return nil, 0, boreas.ErrKey
	}
	s.counts.dryRuns.Add(1)
	return append(s.appendSubscribers(append(dst, `{"dry_run":true`...), c, item.Channel), '}'), http.StatusOK, nil
}

// message returns the message of an item for the hub.
func (s *service) message(r *http.Request, c *call, item wire.Item) engine.Message {
	// Clone: the engine keeps the message, but the body's buffer is larger and is reused.
	m := engine.Message{Data: bytes.Clone(item.Message), Key: item.Key}
	if c.grant != nil { // otherwise the caller is a backend
		m.Publisher = c.grant.Publisher(credential.AddressOf(r))
	}
	return m
}

// appendResult appends the result of a published message.
func (s *service) appendResult(dst []byte, c *call, channel string, ack engine.Ack, err error) ([]byte, int, error) {
	if err != nil {
		return nil, 0, err
	}
	dst = append(ack.Position.Append(append(dst, `{"position":"`...)), '"')
	dst = s.appendSubscribers(dst, c, channel)
	if ack.Duplicate {
		return append(dst, `,"duplicate":true}`...), http.StatusOK, nil
	}
	return append(dst, '}'), http.StatusCreated, nil
}

// appendSubscribers appends the number of sessions on a channel, if the caller may know it. A
// subscriber's token must allow presence on the channel, because permission to publish must not
// reveal subscribers.
func (s *service) appendSubscribers(dst []byte, c *call, channel string) []byte {
	if c.grant != nil && c.grant.May(access.VerbPresence, channel) != nil {
		return dst
	}
	return strconv.AppendInt(append(dst, `,"subscribers":`...), int64(s.hub.Subscribers(channel)), 10)
}

// badBody returns why a body could not be read. If the rest of the body may still be on its way, the
// connection cannot be reused.
func (s *service) badBody(w http.ResponseWriter, err error) error {
	if denied := (*deniedError)(nil); errors.As(err, &denied) {
		return err
	}
	if damaged := (*coding.DamagedError)(nil); errors.As(err, &damaged) {
		return fault.Malformed.With(damaged.Error())
	}
	if errors.Is(err, errTooLargeDecoded) {
		return fault.TooLarge.With(s.tooLarge(err))
	}
	w.Header().Set("Connection", "close")
	if unknown := (*coding.UnknownError)(nil); errors.As(err, &unknown) {
		w.Header().Set("Accept-Encoding", coding.Decoded) // RFC 9110, section 15.5.16
		return fault.UnsupportedEncoding.With(unknown.Error())
	}
	switch {
	case errors.Is(err, boreas.ErrPeerMemory):
		return err
	case errors.Is(err, errTooLarge):
		return fault.TooLarge.With(s.tooLarge(err))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.Timeout.With(fmt.Sprintf("The body did not arrive within %v.", s.options.BodyTimeout))
	default:
		return malformed("The body ended early, or its framing is not valid HTTP.")
	}
}

// tooLarge returns the sentence for errTooLarge and errTooLargeDecoded.
func (s *service) tooLarge(err error) string {
	if errors.Is(err, errTooLargeDecoded) {
		return fmt.Sprintf("The body has more than %d bytes when it is decompressed.", s.options.MaxBody)
	}
	return fmt.Sprintf("The body is larger than %d bytes.", s.options.MaxBody)
}
