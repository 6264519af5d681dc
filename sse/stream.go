package sse

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/coding"
	"github.com/boreas-pubsub/boreas/v2/internal/panics"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
	"github.com/boreas-pubsub/boreas/v2/refusal"
)

// An EventSource reconnects after a random time between these, in milliseconds, so that many
// clients do not reconnect at once.
const minRetry, maxRetry = 1000, 3000

// stream is a request that becomes a stream.
type stream struct {
	h       *handler
	sess    *boreas.Session // reserved, not started
	request request
	grant   *access.Grant

	compressed bool // with gzip
}

// out is a connection that discards all bytes until begin is called, so that a request without
// any joined channel can still be refused with a status.
type out interface {
	boreas.Conn

	// begin starts the response of the stream. It appends the response's head, if the connection needs one.
	// The caller appends the result of the join right after it.
	begin(s *stream, dst []byte) []byte
}

// start starts the session and joins its channels. If it could not join any of them, it returns
// the reason. In that case the session has ended and the response has not begun.
func (s *stream) start(ctx context.Context, o out) error {
	if err := s.sess.Start(o, s.format(), nil); err != nil {
		return err
	}
	if err := s.sess.Authenticate(s.grant); err != nil {
		s.refused(err, "connect", "")
		s.sess.Lost(err)
		return err
	}
	if err := s.sess.Reserve(ctx, protocol2.JoinedBytes(s.request.joins)); err != nil {
		s.refused(err, "connect", "")
		s.sess.Lost(err)
		return err
	}
	results := s.sess.Join(context.Background(), s.request.joins, func(dst []byte, results []boreas.Joined) []byte {
		if firstError(results) != nil {
			return dst
		}
		dst = s.beginBody(o.begin(s, dst))
		start := len(dst)
		dst = appendRetry(dst, minRetry+rand.Int64N(maxRetry-minRetry+1))
		dst = s.request.appendJoined(dst, results, s.h.options.Heartbeat)
		return s.endJoin(dst, start)
	})
	err := firstError(results)
	if err != nil {
		s.sess.Lost(err)
	}
	if errors.Is(err, engine.ErrClosed) { // the session has ended meanwhile
		err = s.why()
	}
	for i, r := range results {
		s.refused(r.Err, "join", s.request.joins[i].Channel)
		if fault.Of(r.Err) == fault.Internal {
			s.h.options.Log.Error("a subscriber could not join a channel", "error", r.Err)
		}
	}
	return err
}

// held returns the Held that counts the bytes held for the stream's client.
func (s *stream) held() *boreas.Held {
	user := ""
	if s.grant.HasUser {
		user = s.grant.User
	}
	return s.h.hub.Held(boreas.HeldBatch, s.sess.Address(), user)
}

// why returns why the session ended before its stream began. If its token was revoked in that
// moment, the client must not retry with it.
func (s *stream) why() error {
	reason := s.sess.Reason()
	if f := fault.Of(reason); f == nil || f.Status == 0 { // only ends sessions
		return engine.ErrClosed
	}
	return reason
}

// refused records the error if it is a refusal.
func (s *stream) refused(err error, verb, channel string) {
	e := refusal.Entry{Transport: transport, Session: s.sess.ID(), Verb: verb, Channel: channel}
	s.h.options.Refusals.Note(err, e, s.sess.Address(), s.grant)
}

// firstError returns the first error if all results are errors, otherwise nil.
func firstError(results []boreas.Joined) error {
	for _, r := range results {
		if r.Err == nil {
			return nil
		}
	}
	return results[0].Err
}

// setHeader sets the header of a stream.
func (s *stream) setHeader(h http.Header) {
	if s.h.compression != nil {
		h.Add("Vary", "Accept-Encoding")
	}
	if s.compressed {
		h.Set("Content-Encoding", string(coding.Gzip))
	}
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
}

// panicked records that a stream ends because of a panic.
func (h *handler) panicked(s *boreas.Session, err *panics.Error) {
	h.count.Panics.Add(1)
	h.options.Log.Error("a stream panicked", "session", s.ID(), "panic", err.Value, "stack", string(err.Stack))
}

// ended records why a stream has ended, and logs an internal error.
func (h *handler) ended(s *boreas.Session, reason error, said bool) {
	if said {
		h.options.Refusals.Note(reason, refusal.Entry{Transport: transport, Session: s.ID(), Verb: "session"}, s.Address(), s.LastGrant())
	}
	if said && fault.Of(reason) == fault.Internal {
		h.options.Log.Error("a subscriber was disconnected", "error", reason)
	}
}
