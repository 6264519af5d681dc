package ws

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// closeError is the reason for the end of a session, as the code and reason of a close frame
// (RFC 6455, section 7.4).
type closeError struct {
	code   ws.StatusCode
	reason string
	left   bool // it answers the client's own close frame
}

// Is reports whether target is the reason in the hub's terms: [boreas.ErrLeft] if the client closed
// the connection, otherwise [boreas.ErrMisbehaved].
func (e *closeError) Is(target error) bool {
	return e.left && target == boreas.ErrLeft || !e.left && target == boreas.ErrMisbehaved
}

func (e *closeError) Error() string { return fmt.Sprintf("closed with %d %s", e.code, e.reason) }

// codeTryLater is 1013 of the IANA registry of close codes: "Try Again Later".
const codeTryLater ws.StatusCode = 1013

// noCode stands for a close frame without a code (RFC 6455, section 7.1.5).
const noCode = ws.StatusNoStatusRcvd

var errInvalidText = &closeError{code: ws.StatusInvalidFramePayloadData, reason: "a text message is not valid UTF-8"}

var errInvalidDeflate = &closeError{code: ws.StatusInvalidFramePayloadData, reason: "a compressed message is not valid deflate data (RFC 7692)"}

func protocolError(what string) *closeError {
	return &closeError{code: ws.StatusProtocolError, reason: what}
}

func tooBig(limit int64) *closeError {
	return &closeError{code: ws.StatusMessageTooBig, reason: fmt.Sprintf("a message has more than %d bytes (max_message)", limit)}
}

func tooBigInflated(limit int64) *closeError {
	return &closeError{code: ws.StatusMessageTooBig, reason: fmt.Sprintf("a message has more than %d bytes after decompression (max_message)", limit)}
}

// peerClose reads the payload of a client's close frame (RFC 6455, section 5.5.1).
func peerClose(b []byte) (*closeError, error) {
	if len(b) == 0 {
		return &closeError{code: noCode, left: true}, nil
	}
	if len(b) == 1 {
		return nil, protocolError("a close frame has one byte: want none, or a code and a reason")
	}
	code := ws.StatusCode(binary.BigEndian.Uint16(b))
	if !mayBeSent(code) {
		return nil, protocolError(fmt.Sprintf("close code %d may not be sent", code))
	}
	if !utf8.Valid(b[2:]) {
		return nil, &closeError{code: ws.StatusInvalidFramePayloadData, reason: "a close frame's reason is not valid UTF-8"}
	}
	return &closeError{code: code, left: true}, nil
}

// mayBeSent reports whether a close frame may contain the code: the codes of RFC 6455, section
// 7.4.1, of the IANA registry, of libraries (3000-3999) and of applications (4000-4999).
func mayBeSent(code ws.StatusCode) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}

// closeFor returns the close frame for a session that ended with the reason. A client that sent
// its own close frame gets the same back.
func closeFor(reason error) *closeError {
	var c *closeError
	if errors.As(reason, &c) {
		return c
	}
	switch reason {
	case boreas.ErrShuttingDown, boreas.ErrNodeIsolated:
		return &closeError{code: ws.StatusGoingAway, reason: reason.Error()}
	case boreas.ErrSlow, boreas.ErrBacklog, boreas.ErrAnonymousTimeout, boreas.ErrPingTimeout:
		return &closeError{code: ws.StatusPolicyViolation, reason: reason.Error()}
	case boreas.ErrEngineBusy, boreas.ErrEngineTimeout:
		return &closeError{code: codeTryLater, reason: cut(fault.Message(reason))}
	case engine.ErrClosed:
		return &closeError{code: codeTryLater, reason: reason.Error()}
	}
	switch f := fault.Of(reason); {
	case f == fault.StorageFailed, f == fault.ClusterUnavailable, f == fault.AuthUnavailable, errors.Is(reason, boreas.ErrUnreadable):
		return &closeError{code: codeTryLater, reason: cut(fault.Message(reason))}
	case f != fault.Internal:
		return &closeError{code: ws.StatusPolicyViolation, reason: cut(fault.Message(reason))}
	}
	return &closeError{code: ws.StatusInternalServerError, reason: "the server cannot continue with this connection; its log says why"}
}

// maxReason is the maximum length of a close frame's reason in bytes. A control frame has at most
// 125 (RFC 6455, section 5.5), and the code takes two.
const maxReason = 123

// cut shortens a reason that is too long, between two characters.
func cut(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	return strings.ToValidUTF8(reason[:maxReason-len("…")], "") + "…"
}

// closed counts a connection that the server closes because of its client's data.
func (n *Counters) closed(err error) {
	var c *closeError
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
