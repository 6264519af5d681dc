package ws

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/fault"
)

// closing is the end of a connection with a close frame: its code and reason
// (RFC 6455, section 7.4).
type closing struct {
	code   ws.StatusCode
	reason string
	left   bool // it answers the client's own
}

// Is makes the peer's own close, answered, the [boreas.ErrLeft] that it is, and any other
// a [boreas.ErrMisbehaved].
func (e *closing) Is(target error) bool {
	return e.left && target == boreas.ErrLeft || !e.left && target == boreas.ErrMisbehaved
}

func (e *closing) Error() string { return fmt.Sprintf("closed with %d %s", e.code, e.reason) }

// codeTryLater is 1013 of the IANA registry of close codes: come back, but later.
const codeTryLater ws.StatusCode = 1013

// noCode stands for a close frame without a code (RFC 6455, section 7.1.5).
const noCode = ws.StatusNoStatusRcvd

var errInvalidText = &closing{code: ws.StatusInvalidFramePayloadData, reason: "a text message is not valid UTF-8"}

func protocolError(what string) *closing {
	return &closing{code: ws.StatusProtocolError, reason: what}
}

func tooBig(limit int64) *closing {
	return &closing{code: ws.StatusMessageTooBig, reason: fmt.Sprintf("a message has more than %d bytes (max_message)", limit)}
}

// peerClose reads the payload of a client's close frame (RFC 6455, section 5.5.1).
func peerClose(b []byte) (*closing, error) {
	if len(b) == 0 {
		return &closing{code: noCode, left: true}, nil
	}
	if len(b) == 1 {
		return nil, protocolError("a close frame has one byte: want none, or a code and a reason")
	}
	code := ws.StatusCode(binary.BigEndian.Uint16(b))
	if !mayBeSent(code) {
		return nil, protocolError(fmt.Sprintf("close code %d may not be sent", code))
	}
	if !utf8.Valid(b[2:]) {
		return nil, &closing{code: ws.StatusInvalidFramePayloadData, reason: "a close frame's reason is not valid UTF-8"}
	}
	return &closing{code: code, left: true}, nil
}

// mayBeSent tells whether a close frame may carry the code: those of RFC 6455,
// section 7.4.1, and of the IANA registry, those of libraries (3000-3999) and of
// applications (4000-4999).
func mayBeSent(code ws.StatusCode) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}

// closeFor returns the close frame that tells a client why its session ended. A client
// that sent its own gets that back.
func closeFor(reason error) *closing {
	var c *closing
	if errors.As(reason, &c) {
		return c
	}
	switch reason {
	case boreas.ErrShuttingDown:
		return &closing{code: ws.StatusGoingAway, reason: reason.Error()}
	case boreas.ErrSlow, boreas.ErrBacklog, boreas.ErrAnonymousTimeout, boreas.ErrPingTimeout:
		return &closing{code: ws.StatusPolicyViolation, reason: reason.Error()}
	case boreas.ErrEngineBusy, boreas.ErrEngineTimeout:
		return &closing{code: codeTryLater, reason: cut(fault.Message(reason))}
	case engine.ErrClosed:
		return &closing{code: codeTryLater, reason: reason.Error()}
	}
	if fault.Of(reason) != fault.Internal { // it may not go on, and is told why
		return &closing{code: ws.StatusPolicyViolation, reason: cut(fault.Message(reason))}
	}
	return &closing{code: ws.StatusInternalServerError, reason: "the server cannot continue with this connection; its log says why"}
}

// maxReason is how many bytes a close frame's reason has: a control frame has 125 (RFC
// 6455, section 5.5), and the code takes two.
const maxReason = 123

// cut cuts a reason that is too long, between two characters.
func cut(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	return strings.ToValidUTF8(reason[:maxReason-len("…")], "") + "…"
}

// closed counts a connection that is closed because of its client's data.
func (n *Counters) closed(err error) {
	var c *closing
	if !errors.As(err, &c) {
		n.Flooding.Add(1)
		return
	}
	switch c.code {
	case ws.StatusProtocolError:
		n.ProtocolErrors.Add(1)
	case ws.StatusInvalidFramePayloadData:
		n.InvalidText.Add(1)
	case ws.StatusMessageTooBig:
		n.TooBig.Add(1)
	}
}
