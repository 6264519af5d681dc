package coding

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/boreas-pubsub/boreas/v2/internal/deflate"
)

// GzipHeader is how a gzip stream begins (RFC 1952, section 2.3), before its deflate blocks. It has no
// time and no name.
const GzipHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// finalBlock is an empty deflate block that is the last one.
const finalBlock = "\x03\x00"

// gzipDict is the number of bytes that a GzipStream keeps for its next write.
const gzipDict = 4 << 10

// A GzipStream compresses a response that is written bit by bit. Each write reaches the client whole.
// The stream keeps some bytes of the last write, which the next one may refer to, but no compressor.
type GzipStream struct {
	w         io.Writer
	begun     bool
	crc, size uint32
	last      []byte // the end of the previous write
	buf       []byte
}

// NewGzipStream returns a stream that writes to w.
func NewGzipStream(w io.Writer) *GzipStream { return &GzipStream{w: w} }

// Write implements [io.Writer].
func (s *GzipStream) Write(p []byte) (int, error) {
	s.begin()
	s.buf = deflate.Append(s.buf, p, s.last, deflate.MaxWindow)
	s.crc = crc32.Update(s.crc, crc32.IEEETable, p)
	s.size += uint32(len(p))
	s.last = append(s.last[:0], p[max(0, len(p)-gzipDict):]...)
	if _, err := s.w.Write(s.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// begin empties buf, except for the header that comes first.
func (s *GzipStream) begin() {
	s.buf = s.buf[:0]
	if !s.begun {
		s.begun, s.buf = true, append(s.buf, GzipHeader...)
	}
}

// Close ends the stream. Without it, a client may report that the response ends early.
func (s *GzipStream) Close() error {
	s.begin()
	s.buf = append(s.buf, finalBlock...)
	s.buf = appendTrailer(s.buf, s.crc, s.size)
	_, err := s.w.Write(s.buf)
	return err
}

// appendGzip appends the whole gzip stream of a body.
func appendGzip(dst, body []byte) []byte {
	dst = append(dst, GzipHeader...)
	dst = deflate.Append(dst, body, nil, deflate.MaxWindow)
	dst = append(dst, finalBlock...)
	return appendTrailer(dst, crc32.ChecksumIEEE(body), uint32(len(body)))
}

func appendTrailer(dst []byte, crc, size uint32) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(dst, crc), size)
}
