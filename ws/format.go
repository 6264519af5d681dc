package ws

import (
	"encoding/binary"

	"github.com/gobwas/ws"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// classicFormat encodes the classic wire in frames of RFC 6455. It implements [boreas.Format].
type classicFormat struct{}

// AppendPublication appends a text frame.
func (classicFormat) AppendPublication(dst []byte, channel string, _ uint64, p *engine.Publication) []byte {
	dst, start := beginFrame(dst)
	dst = wire.AppendClassicMessage(dst, channel, p.Data)
	return endFrame(dst, start, ws.OpText)
}

// AppendPing appends a ping frame without payload.
func (classicFormat) AppendPing(dst []byte) []byte { return appendFrame(dst, ws.OpPing, nil) }

// AppendEnd appends the close frame for the reason.
func (classicFormat) AppendEnd(dst []byte, reason error) []byte {
	c := closeFor(reason)
	if c.code == noCode {
		return appendFrame(dst, ws.OpClose, nil)
	}
	body := binary.BigEndian.AppendUint16(nil, uint16(c.code))
	return appendFrame(dst, ws.OpClose, append(body, c.reason...))
}

// The lengths of a server's frame headers (RFC 6455, section 5.2).
const (
	shortHeader  = 2  // payloads up to 125 bytes
	mediumHeader = 4  // up to 65,535 bytes
	longHeader   = 10 // up to 2^63-1 bytes
)

// beginFrame reserves space for the header of a frame. The caller appends the payload and then
// calls endFrame. The space is a medium header's, which most publications need; endFrame moves
// other payloads.
func beginFrame(dst []byte) (_ []byte, start int) {
	return append(dst, make([]byte, mediumHeader)...), len(dst)
}

// endFrame writes the header of the frame that began at start and whose payload ends dst.
func endFrame(dst []byte, start int, op ws.OpCode) []byte {
	n := len(dst) - start - mediumHeader
	switch {
	case n <= 125:
		copy(dst[start+shortHeader:], dst[start+mediumHeader:])
		dst = dst[:start+shortHeader+n]
		dst[start+1] = byte(n)
	case n < 1<<16:
		dst[start+1] = 126
		binary.BigEndian.PutUint16(dst[start+2:], uint16(n))
	default:
		dst = append(dst, make([]byte, longHeader-mediumHeader)...)
		copy(dst[start+longHeader:], dst[start+mediumHeader:])
		dst[start+1] = 127
		binary.BigEndian.PutUint64(dst[start+2:], uint64(n))
	}
	const fin = 0x80
	dst[start] = fin | byte(op)
	return dst
}

// appendFrame appends a frame with the payload.
func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	dst, start := beginFrame(dst)
	return endFrame(append(dst, payload...), start, op)
}
