package disk

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A record has a checksum of all that follows it, the number of bytes after these two fields, its
// kind and a body. All numbers are little endian. The bodies are:
//
//	mark    time (8), synced (8), flags (1)                                   first of each batch
//	define  number (uvarint), name                                            a channel's number in this segment
//	message flags (1), number, offset (uvarint), time (8), [sender (8)], [key length (1), key], data
//	purge   number, offset (uvarint)                                          all of the channel before it is dropped
//	end     nothing                                                           all before it is on disk
//
// Times are nanoseconds since 1970 UTC. Synced is the position up to which the log was on disk when
// the batch was written. The offset of a purge is that of the channel's last message before it.
const (
	recordHead = 9        // bytes before the body
	maxRecord  = 64 << 20 // a longer record is damage

	markRecord    = 1
	defineRecord  = 2
	messageRecord = 3
	endRecord     = 4
	purgeRecord   = 5 // since format 2

	markSize = recordHead + 17
	endSize  = recordHead
)

// Flags of a mark.
//
// The last mark of a log says whether its end may be lost. With [Options.SyncInterval], a lazy mark
// is on disk before the first message is acknowledged, and the one before a clean end is not lazy.
const markLazy = 1 // messages after the mark are acknowledged before the disk has them

// Flags of a message.
const (
	messageHasSender = 1
	messageHasKey    = 2
)

// messageOverhead is the size of a message's record without data, key and sender, at most.
const messageOverhead = recordHead + 1 + binary.MaxVarintLen32 + binary.MaxVarintLen64 + 8

var (
	order      = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// Errors of [parseRecord].
var (
	errShort    = errors.New("the record is not complete")
	errChecksum = errors.New("the checksum of the record is wrong")
	errRecord   = errors.New("the record makes no sense")
)

// beginRecord appends the head of a record to dst. The body is appended next, then finishRecord is
// called with the length of dst before beginRecord.
func beginRecord(dst []byte, kind byte) []byte {
	return append(dst, 0, 0, 0, 0, 0, 0, 0, 0, kind)
}

func finishRecord(dst []byte, at int) []byte {
	order.PutUint32(dst[at+4:], uint32(len(dst)-at-8))
	order.PutUint32(dst[at:], crc32.Checksum(dst[at+4:], castagnoli))
	return dst
}

func appendMark(dst []byte, m mark) []byte {
	at := len(dst)
	dst = beginRecord(dst, markRecord)
	dst = order.AppendUint64(dst, uint64(m.time))
	dst = order.AppendUint64(dst, uint64(m.synced))
	flags := byte(0)
	if m.lazy {
		flags = markLazy
	}
	return finishRecord(append(dst, flags), at)
}

func appendDefine(dst []byte, number uint32, name string) []byte {
	at := len(dst)
	dst = beginRecord(dst, defineRecord)
	dst = binary.AppendUvarint(dst, uint64(number))
	return finishRecord(append(dst, name...), at)
}

func appendMessage(dst []byte, number uint32, p *engine.Publication, key string) []byte {
	at := len(dst)
	dst = beginRecord(dst, messageRecord)
	flags := byte(0)
	if p.Sender != 0 {
		flags |= messageHasSender
	}
	if key != "" {
		flags |= messageHasKey
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(number))
	dst = binary.AppendUvarint(dst, p.Offset)
	dst = order.AppendUint64(dst, uint64(p.Time))
	if p.Sender != 0 {
		dst = order.AppendUint64(dst, p.Sender)
	}
	if key != "" {
		dst = append(dst, byte(len(key)))
		dst = append(dst, key...)
	}
	return finishRecord(append(dst, p.Data...), at)
}

func appendPurge(dst []byte, number uint32, offset uint64) []byte {
	at := len(dst)
	dst = beginRecord(dst, purgeRecord)
	dst = binary.AppendUvarint(dst, uint64(number))
	return finishRecord(binary.AppendUvarint(dst, offset), at)
}

func appendEnd(dst []byte) []byte {
	return finishRecord(beginRecord(dst, endRecord), len(dst))
}

// parseRecord returns the kind and the body of the first record of b, and its length.
func parseRecord(b []byte) (kind byte, body []byte, n int, err error) {
	if len(b) < recordHead {
		return 0, nil, 0, errShort
	}
	size := order.Uint32(b[4:])
	if size < 1 || size > maxRecord {
		return 0, nil, 0, errRecord
	}
	n = 8 + int(size)
	if n > len(b) {
		return 0, nil, n, errShort
	}
	if crc32.Checksum(b[4:n], castagnoli) != order.Uint32(b) {
		return 0, nil, n, errChecksum
	}
	return b[8], b[recordHead:n], n, nil
}

// A mark is the first record of each batch.
type mark struct {
	time   int64 // when the batch was begun
	synced int64 // position up to which the log was on disk
	lazy   bool  // see markLazy
}

func parseMark(body []byte) (mark, error) {
	if len(body) != markSize-recordHead || body[16]&^markLazy != 0 {
		return mark{}, errRecord
	}
	return mark{int64(order.Uint64(body)), int64(order.Uint64(body[8:])), body[16] == markLazy}, nil
}

func parseDefine(body []byte) (number uint32, name []byte, err error) {
	id, n := binary.Uvarint(body)
	if n <= 0 || id >= 1<<32 || n == len(body) {
		return 0, nil, errRecord
	}
	return uint32(id), body[n:], nil
}

func parsePurge(body []byte) (number uint32, offset uint64, err error) {
	id, n := binary.Uvarint(body)
	if n <= 0 || id >= 1<<32 {
		return 0, 0, errRecord
	}
	offset, m := binary.Uvarint(body[n:])
	if m <= 0 || n+m != len(body) {
		return 0, 0, errRecord
	}
	return uint32(id), offset, nil
}

// message is a parsed message record. Its slices belong to the parsed bytes.
type message struct {
	number uint32
	offset uint64
	time   int64
	sender uint64
	key    []byte
	data   []byte
}

func parseMessage(body []byte) (m message, err error) {
	if len(body) < 1 || body[0]&^(messageHasSender|messageHasKey) != 0 {
		return m, errRecord
	}
	flags, body := body[0], body[1:]
	number, n := binary.Uvarint(body)
	if n <= 0 || number >= 1<<32 {
		return m, errRecord
	}
	body = body[n:]
	if m.offset, n = binary.Uvarint(body); n <= 0 || m.offset == 0 || len(body) < n+8 {
		return m, errRecord
	}
	body = body[n:]
	m.number, m.time = uint32(number), int64(order.Uint64(body))
	body = body[8:]
	if flags&messageHasSender != 0 {
		if len(body) < 8 {
			return m, errRecord
		}
		m.sender, body = order.Uint64(body), body[8:]
	}
	if flags&messageHasKey != 0 {
		if len(body) < 1 || len(body) < 1+int(body[0]) {
			return m, errRecord
		}
		m.key, body = body[1:1+int(body[0])], body[1+int(body[0]):]
	}
	m.data = body
	return m, nil
}
