package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// An ending tells how a connection ended, or why there was none, and what follows
// from it.
type ending struct {
	err   error
	final bool          // coming back is of no use
	wrong bool          // the same, if there never was a connection
	later bool          // the server has too much to do
	mute  bool          // no server answered
	good  bool          // it was a good connection (clause 8.4)
	token bool          // the token was revoked, or there was none
	after time.Duration // how long to wait at least
	exact bool          // after is exactly how long to wait
	lived time.Duration // how long the connection was in use; 0 if it never was
}

// pause returns how long to wait before the next attempt. Clause 8.4.
func (e *ending) pause(b *backoff) time.Duration {
	switch {
	case e.later: // regardless of its duration
		b.doublings = max(b.doublings, laterDoublings)
	case e.good:
		b.good()
	}
	jitter := b.next(e.mute)
	if e.exact {
		return e.after
	}
	// What the server asked all to wait is spread like everything else.
	return e.after + jitter
}

// ending returns how the connection ended whose reading failed with err.
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
		// Clause 8.6. The other codes of RFC 6455 tell that something went wrong,
		// which a new connection may put right.
		e.final = frame.Code >= 4400 && frame.Code <= 4499
		e.later = frame.Code >= 4200 && frame.Code <= 4299
		e.token = e.token || frame.Code >= 4300 && frame.Code <= 4399
	}
	return e
}

// closeError makes an error of a close frame.
func closeError(frame websocket.CloseError) *Error {
	return &Error{Op: "stay connected", Close: int(frame.Code), Message: frame.Reason}
}

// broken says in plain words how a connection was lost, unless the server closed it.
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

// refuseToken deals with the end of a connection whose token is no longer valid: the
// next one has another, if there is one to be had.
func (c *Conn) refuseToken(token string, e *ending) {
	if c.o.TokenFunc == nil {
		e.final, e.err = true, fmt.Errorf("%w; there is no TokenFunc to get another token from", e.err)
		return
	}
	c.refused, c.refusal = &token, e.err
}

// sameToken returns how it ended that TokenFunc gave a token again that was refused.
func sameToken(refusal error) ending {
	return ending{err: fmt.Errorf("%w; %w", refusal, errSameToken), final: true}
}

// tokenEnding returns the ending of an attempt without a token.
func tokenEnding(err error) ending {
	e := ending{err: err, mute: true}
	var refusal *Error // the token comes from the API of some server
	if errors.As(err, &refusal) {
		e.after, e.wrong, e.mute = refusal.RetryAfter, refusal.hopeless(), refusal.mute()
	}
	return e
}

// handshakeEnding returns how a handshake ended that failed. Clause 8.7.
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
