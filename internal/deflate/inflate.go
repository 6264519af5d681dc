package deflate

import (
	"compress/flate"
	"errors"
	"io"
)

var (
	// ErrInvalid means that the data is not a sequence of deflate blocks.
	ErrInvalid = errors.New("deflate: the data is not valid")

	// ErrTooBig means that the data inflates to more bytes than the limit.
	ErrTooBig = errors.New("deflate: the data inflates to more bytes than the limit")
)

// Inflate decompresses p, a message without its [Tail], and appends the result to dst. The message may refer to
// window, the bytes that were decompressed directly before it. With an error, the result is unspecified. Inflate stops
// when the result would be longer than limit bytes, and appends no more than limit bytes.
//
// A message may have final blocks before its end (RFC 7692, section 7.2.3.4). A block after a final one must not refer
// to bytes before it. Inflate waits while as many other goroutines inflate as there are processors, because an inflater
// needs 50 KB.
func Inflate(dst, p, window []byte, limit int) ([]byte, error) {
	f := inflaters.get()
	defer inflaters.put(f)
	_, err := f.run(p, window, limit, func(part []byte) { dst = append(dst, part...) })
	return dst, err
}

// Size returns the length of the result of [Inflate] without producing it.
func Size(p, window []byte, limit int) (int, error) {
	f := inflaters.get()
	defer inflaters.put(f)
	return f.run(p, window, limit, func([]byte) {})
}

// inflater is a reader of deflate blocks.
type inflater struct {
	r    io.ReadCloser
	in   source
	part [4 << 10]byte
}

func newInflater() *inflater {
	f := new(inflater)
	f.r = flate.NewReader(&f.in)
	return f
}

// forget drops the data of the last message.
func (f *inflater) forget() {
	f.in = source{}
	f.reset(nil)
}

func (f *inflater) reset(window []byte) {
	f.r.(flate.Resetter).Reset(&f.in, window) // it never fails
}

// run decompresses a message, passes the parts of the result to take, and returns the length of the result.
func (f *inflater) run(p, window []byte, limit int, take func(part []byte)) (size int, _ error) {
	if len(p) == 0 {
		return 0, nil // a message that has not even its last block
	}
	f.in = source{p: p}
	f.reset(window[max(0, len(window)-MaxWindow):])
	for {
		n, err := f.r.Read(f.part[:min(len(f.part), limit-size+1)])
		if size += n; size > limit {
			return size, ErrTooBig
		}
		take(f.part[:n])
		switch {
		case err == io.EOF && f.in.left() > len(ending):
			f.reset(nil)
		case err == io.EOF && (f.in.left() == 0 || f.in.left() == len(ending)):
			return size, nil
		case err != nil:
			return size, ErrInvalid
		}
	}
}

// ending is what follows a message: its Tail, and an empty final block, so that the data has an end.
const ending = Tail + "\x01\x00\x00\xff\xff"

// source is a message and its ending. It has the method ReadByte, so that flate reads no further than it needs.
type source struct {
	p   []byte
	pos int
}

func (s *source) left() int { return len(s.p) + len(ending) - s.pos }

// Read implements [io.Reader].
func (s *source) Read(b []byte) (n int, err error) {
	if s.pos < len(s.p) {
		n = copy(b, s.p[s.pos:])
	} else if n = copy(b, ending[s.pos-len(s.p):]); n == 0 {
		err = io.EOF
	}
	s.pos += n
	return n, err
}

// ReadByte implements [io.ByteReader].
func (s *source) ReadByte() (byte, error) {
	i := s.pos
	switch {
	case i < len(s.p):
		s.pos++
		return s.p[i], nil
	case i-len(s.p) < len(ending):
		s.pos++
		return ending[i-len(s.p)], nil
	}
	return 0, io.EOF
}
