package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gobwas/ws"
)

// maxFrame limits a frame's payload, so that a faulty server cannot make the tool use all memory.
const maxFrame = 8 << 20

var errFrame = errors.New("the server broke the WebSocket protocol")

// nextFrame parses the first frame in data. A server's frames have no mask. If data does not hold
// the whole frame, used is 0, and need is the number of bytes that are known to be needed.
func nextFrame(data []byte) (code ws.OpCode, payload []byte, used, need int, err error) {
	if len(data) < 2 {
		return 0, nil, 0, 2, nil
	}
	if data[0]&0x70 != 0 || data[1]&0x80 != 0 {
		return 0, nil, 0, 0, fmt.Errorf("%w: a frame with reserved bits or a mask", errFrame)
	}
	header, length := 2, uint64(data[1])
	switch length {
	case 126:
		header = 4
	case 127:
		header = 10
	}
	if len(data) < header {
		return 0, nil, 0, header, nil
	}
	switch header {
	case 4:
		length = uint64(binary.BigEndian.Uint16(data[2:]))
	case 10:
		length = binary.BigEndian.Uint64(data[2:])
	}
	if length > maxFrame {
		return 0, nil, 0, 0, fmt.Errorf("%w: a frame of %d bytes", errFrame, length)
	}
	end := header + int(length)
	if len(data) < end {
		return 0, nil, 0, end, nil
	}
	return ws.OpCode(data[0] & 0xf), data[header:end], end, 0, nil
}

// A finder finds the marks of one run in messages.
type finder struct {
	prefix []byte // the run's ID and a dot
	last   int    // where the mark was in the previous message, because it is most likely there again
}

func (f *finder) find(message []byte) (mark, bool) {
	if f.last+markLength > len(message) || !bytes.Equal(message[f.last:f.last+markPrefix], f.prefix) {
		at := bytes.Index(message, f.prefix)
		if at < 0 {
			return mark{}, false
		}
		f.last = at
	}
	return parseMark(message[f.last:])
}
