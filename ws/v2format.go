package ws

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/gobwas/ws"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

const opText = ws.OpText

var heartbeat = []byte(`{"heartbeat":{}}`)

func closeCode(n int) ws.StatusCode {
	if n == 0 {
		return ws.StatusInternalServerError
	}
	return ws.StatusCode(n)
}

// v2Format encodes protocol 2 in frames of RFC 6455. It implements [boreas.NoticeFormat].
type v2Format struct{}

// AppendPublication appends a message.
func (v2Format) AppendPublication(dst []byte, channel string, epoch uint64, p *engine.Publication) []byte {
	dst, start := beginFrame(dst)
	return endFrame(protocol2.AppendMessage(dst, channel, epoch, p), start, opText)
}

// AppendGap appends a gap.
func (v2Format) AppendGap(dst []byte, channel string, g boreas.Gap) []byte {
	dst, start := beginFrame(dst)
	return endFrame(protocol2.AppendGap(dst, channel, g), start, opText)
}

// AppendPresence appends a presence event.
func (v2Format) AppendPresence(dst []byte, channel string, event []byte) []byte {
	dst, start := beginFrame(dst)
	return endFrame(wire.AppendV2Presence(dst, channel, event), start, opText)
}

// AppendPing appends a ping frame, which every WebSocket library answers, and a heartbeat, because
// scripts in a browser cannot see pings (clause 8.1).
func (v2Format) AppendPing(dst []byte) []byte {
	dst = appendFrame(dst, ws.OpPing, nil)
	return appendFrame(dst, opText, heartbeat)
}

// AppendExpiring appends a notice that the token expires (clause 3.8).
func (v2Format) AppendExpiring(dst []byte, at time.Time, within time.Duration) []byte {
	return appendFrame(dst, opText, wire.AppendV2Expiring(nil, protocol2.Expires(at), max(within.Milliseconds(), 0)))
}

// AppendGoodbye appends the goodbye of a session that ends within the given time (clause 8.5).
func (v2Format) AppendGoodbye(dst []byte, reason error, within time.Duration) []byte {
	f := protocol2.Fault(reason)
	return appendFrame(dst, opText, wire.AppendV2Goodbye(nil, &f, within.Milliseconds()))
}

// AppendEnd appends the close frame, and before it a goodbye unless the client has closed the
// connection itself.
func (v2Format) AppendEnd(dst []byte, reason error) []byte {
	c := v2Dialect{}.closeFor(reason)
	if errors.Is(reason, boreas.ErrLeft) {
		if c.code == noCode {
			return appendFrame(dst, ws.OpClose, nil)
		}
	} else {
		f, after := protocol2.Goodbye(faultOf(c, reason))
		dst = appendFrame(dst, opText, wire.AppendV2Goodbye(nil, &f, after))
	}
	body := binary.BigEndian.AppendUint16(nil, uint16(c.code))
	return appendFrame(dst, ws.OpClose, append(body, c.reason...))
}

// faultOf returns the fault of a session that ended because of an error in the WebSocket protocol,
// or the reason if it ended for another reason.
func faultOf(c *closeError, reason error) error {
	switch c.code {
	case ws.StatusProtocolError:
		return fault.ProtocolError.With(c.reason)
	case ws.StatusInvalidFramePayloadData:
		return fault.InvalidText.With(c.reason)
	case ws.StatusMessageTooBig:
		return fault.FrameTooBig.With(c.reason)
	}
	return reason
}
