package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// An ending describes why a connection ended or failed, and how to continue.
type ending struct {
	err   error
	final bool          // reconnecting is useless
	wrong bool          // reconnecting is useless, if no connection has worked before
	later bool          // the server is overloaded
	mute  bool          // no server answered
	good  bool          // the connection was good (clause 8.4)
	token bool          // the token was revoked or is missing
	after time.Duration // the minimum wait before the next attempt
	exact bool          // after is the exact wait, not the minimum
	lived time.Duration // how long the connection was in use; 0 if it never was
}

// pause returns the wait before the next attempt (clause 8.4).
func (e *ending) pause(b *backoff) time.Duration {
	switch {
	case e.later: // however long the connection lasted
		b.doublings = max(b.doublings, laterDoublings)
	case e.good:
		b.good()
	}
	jitter := b.next(e.mute)
	if e.exact {
		return e.after
	}
	// The server asks every client to wait equally long, so add jitter.
	return e.after + jitter
}

// ending returns how the connection ended after reading failed with err.
func (l *link) ending(err error) ending {
	e := ending{err: err}
	var frame websocket.CloseError
	closedByServer := errors.As(err, &frame)
	// Other codes and errors may come from a proxy or the network.
	e.mute = !errors.As(err, new(*Error)) && frame.Code < 4000
	if g := l.farewell; g != nil {
		if g.Error != nil {
			refusal := g.Error.as("stay connected")
			refusal.Close = int(frame.Code)
			e.err, e.token = refusal, refusal.Retry == "new_token"
		}
		if g.Reconnect == nil {
			e.final = true
			return e
		}
		e.exact = true
		e.after = max(0, time.Duration(g.Reconnect.AfterMS)*time.Millisecond-time.Since(l.farewellAt))
	} else if closedByServer {
		e.err = closeError(frame)
	}
	if closedByServer {
		// Clause 8.6. The other close codes of RFC 6455 report a problem that a new connection may
		// solve.
		e.final = frame.Code >= 4400 && frame.Code <= 4499
		e.later = frame.Code >= 4200 && frame.Code <= 4299
		e.token = e.token || frame.Code >= 4300 && frame.Code <= 4399
	}
	return e
}

// closeError returns the error for a close frame.
func closeError(frame websocket.CloseError) *Error {
	return &Error{Op: "stay connected", Close: int(frame.Code), Message: frame.Reason}
}

// broken returns a plain description of why the connection was lost. It returns the error of a
// close frame unchanged.
func broken(err error) error {
	switch {
	case errors.As(err, new(websocket.CloseError)):
		return err
	case errors.Is(err, websocket.ErrMessageTooBig):
		return fmt.Errorf("a message is larger than ReadLimit: %w", err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the connection broke: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("the connection broke: %w", err)
}

// refuseToken handles the end of a connection whose token is no longer valid. The next attempt
// needs another token, so without a TokenFunc the ending is final.
func (c *Conn) refuseToken(token string, e *ending) {
	if c.o.TokenFunc == nil {
		e.final, e.err = true, fmt.Errorf("%w; there is no TokenFunc to get another token", e.err)
		return
	}
	c.refused, c.refusal = &token, e.err
}

// sameToken returns the ending for a TokenFunc that returns a refused token again.
func sameToken(refusal error) ending {
	return ending{err: fmt.Errorf("%w; %w", refusal, errSameToken), final: true}
}

// tokenEnding returns the ending of an attempt that could not get a token.
func tokenEnding(err error) ending {
	e := ending{err: err, mute: true}
	var refusal *Error // TokenFunc may get its tokens from a Boreas API
	if errors.As(err, &refusal) {
		e.after, e.wrong, e.mute = refusal.RetryAfter, refusal.hopeless(), refusal.mute()
	}
	return e
}

// handshakeEnding returns the ending of a failed handshake (clause 8.7).
func handshakeEnding(resp *http.Response, err error) ending {
	const op = "connect"
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return ending{err: fmt.Errorf("%s: %w", op, withoutURL(err)), mute: true}
	}
	refusal := errorFrom(op, resp)
	e := ending{err: refusal}
	var status *Error
	if errors.As(refusal, &status) {
		e.after = status.RetryAfter
		e.wrong, e.mute = status.hopeless(), status.mute()
	}
	return e
}
