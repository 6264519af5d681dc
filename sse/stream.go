package sse

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/fault"
	"github.com/boreas-pubsub/boreas/internal/panics"
	"github.com/boreas-pubsub/boreas/internal/protocol2"
	"github.com/boreas-pubsub/boreas/internal/refusal"
)

// An EventSource whose connection ends comes back after a time between these, in
// milliseconds: each after another, so that a crowd does not come back at once.
const minRetry, maxRetry = 1000, 3000

// stream is a request on its way to become a stream.
type stream struct {
	h       *handler
	sess    *boreas.Session // reserved
	request request
	grant   *access.Grant
}

// out is a way out of a session that says nothing before it has begun.
type out interface {
	boreas.Conn

	// begin is called by the answer to the join, in the same step in which its
	// bytes are appended. It returns what they begin with.
	begin(dst []byte) []byte
}

// start makes the session live and joins its channels. If it could not join any of them, it
// returns the reason; the session has ended and o has not begun in that case.
func (s *stream) start(ctx context.Context, o out) error {
	if err := s.sess.Start(o, s.request.format(), nil); err != nil {
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
	results := s.sess.Join(s.request.joins, func(dst []byte, results []boreas.Joined) []byte {
		if firstError(results) != nil {
			return dst
		}
		dst = o.begin(dst)
		dst = appendRetry(dst, minRetry+rand.Int64N(maxRetry-minRetry+1))
		return s.request.appendJoined(dst, results, s.h.options.Heartbeat)
	})
	err := firstError(results)
	if err != nil {
		s.sess.Lost(err)
	}
	if errors.Is(err, engine.ErrClosed) { // meanwhile
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

// held returns the Held that counts the bytes held for the stream's peer.
func (s *stream) held() *boreas.Held {
	user := ""
	if s.grant.HasUser {
		user = s.grant.User
	}
	return s.h.hub.Held(boreas.HeldBatch, s.sess.Address(), user)
}

// why returns what the session was ended for before its stream had begun, so that whose
// token was revoked in that moment is not told to try again with it.
func (s *stream) why() error {
	reason := s.sess.Reason()
	if f := fault.Of(reason); f == nil || f.Status == 0 { // not to be said in an answer
		return engine.ErrClosed
	}
	return reason
}

// refused notes that the client was refused something, if that is what the error says.
func (s *stream) refused(err error, verb, channel string) {
	e := refusal.Entry{Transport: transport, Session: s.sess.ID(), Verb: verb, Channel: channel}
	s.h.options.Refusals.Note(err, e, s.sess.Address(), s.grant)
}

// firstError returns the first error of results that are nothing but errors.
func firstError(results []boreas.Joined) error {
	for _, r := range results {
		if r.Err == nil {
			return nil
		}
	}
	return results[0].Err
}

// setHeader sets the header of a stream.
func setHeader(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
}

// panicked records that a stream ends because of a panic.
func (h *handler) panicked(s *boreas.Session, err *panics.Error) {
	h.count.Panics.Add(1)
	h.options.Log.Error("a stream panicked", "session", s.ID(), "panic", err.Value, "stack", string(err.Stack))
}

// ended notes why a stream has ended, and logs an end that is the server's fault.
func (h *handler) ended(s *boreas.Session, reason error, said bool) {
	if said {
		h.options.Refusals.Note(reason, refusal.Entry{Transport: transport, Session: s.ID(), Verb: "session"}, s.Address(), s.LastGrant())
	}
	if said && fault.Of(reason) == fault.Internal {
		h.options.Log.Error("a subscriber was disconnected", "error", reason)
	}
}
