package api

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"os"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/coding"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// broadcast publishes to a channel. This is the server's hot path.
func (s *service) broadcast(w http.ResponseWriter, r *http.Request, c *call) {
	channel := c.name
	if err := access.ValidChannel(channel); err != nil {
		s.refuse(w, refusedChannel, http.StatusBadRequest, sentence(err))
		return
	}
	if !isJSON(r.Header.Get("Content-Type")) {
		s.refuse(w, refusedType, http.StatusBadRequest, "We only accept `Content-Type` `application/json`")
		return
	}
	buf := getBuffer()
	defer putBuffer(buf)
	if err := s.readBody(w, r, c, buf); err != nil {
		s.refuseBody(w, r, c, err)
		return
	}
	payload, dryrun, err := wire.ParseBroadcast(buf.Bytes())
	if err != nil {
		s.refuse(w, refusedBody, http.StatusBadRequest, err.Error())
		return
	}
	if dryrun {
		s.counts.dryRuns.Add(1)
		return
	}
	if _, err := s.hub.Publish(r.Context(), channel, engine.Message{Data: bytes.Clone(payload)}); err != nil {
		s.refusePublish(w, channel, err)
	}
}

// isJSON reports whether a content type is application/json, with or without parameters.
func isJSON(contentType string) bool {
	const json = "application/json"
	if contentType == json {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return mediaType == json && (err == nil || errors.Is(err, mime.ErrInvalidMediaParameter))
}

// refuseBody refuses a request whose body could not be read, or whose caller is no longer
// authorized.
func (s *service) refuseBody(w http.ResponseWriter, r *http.Request, c *call, err error) {
	if denied := (*deniedError)(nil); errors.As(err, &denied) {
		s.deny(w, r, c, denied.reason)
		return
	}
	bad := s.badBody(w, err)
	why := refusedCut
	switch {
	case errors.As(err, new(*coding.UnknownError)), errors.As(err, new(*coding.DamagedError)):
		why = refusedCoding
	case errors.Is(err, boreas.ErrPeerMemory):
		why = refusedMemory
		fault.SetRetryAfter(w.Header(), err)
	case errors.Is(err, errTooLarge), errors.Is(err, errTooLargeDecoded):
		why = refusedSize
	case errors.Is(err, os.ErrDeadlineExceeded):
		why = refusedSlow
	}
	s.refuse(w, why, fault.Of(bad).Status, fault.Message(bad))
}

// refusePublish refuses a message that the hub did not accept.
func (s *service) refusePublish(w http.ResponseWriter, channel string, err error) {
	if errors.Is(err, engine.ErrClosed) {
		s.refuse(w, refusedClosed, http.StatusServiceUnavailable, "The server is shutting down; nothing was published.")
		return
	}
	if f := fault.Of(err); f == fault.Busy || f == fault.EngineTimeout || f == fault.StorageFull || f == fault.StorageFailed || f == fault.ClusterUnavailable {
		fault.SetRetryAfter(w.Header(), err)
		s.refuse(w, refusedFailure, f.Status, fault.Message(err)+" Send the message again later.")
		return
	}
	s.options.Log.Error("publishing failed", "channel", channel, "error", err)
	s.refuse(w, refusedFailure, http.StatusInternalServerError,
		"Publishing failed; the server's log says why. The message may or may not have been published.")
}
