package coding

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	// growth is the factor by which the room for a result grows. Bodies of JSON are seldom more than
	// this many times larger than their compressed form, so most are decoded once.
	growth = 4
)

// ErrTooLarge means that the result is over the limit.
var ErrTooLarge = errors.New("coding: the result is too large")

// A DamagedError means that a body is not valid in its coding. Its text is a sentence for the
// client.
type DamagedError struct {
	Coding Coding
	Cause  error
}

func (e *DamagedError) Error() string {
	if errors.Is(e.Cause, io.ErrUnexpectedEOF) || errors.Is(e.Cause, io.EOF) {
		return fmt.Sprintf("The body is not valid %s: it ends early.", e.Coding)
	}
	return fmt.Sprintf("The body is not valid %s: it is damaged, has another format, or is followed by other bytes.", e.Coding)
}

func (e *DamagedError) Unwrap() error { return e.Cause }

// Decode decodes a body and writes the result to dst, which must be empty. Before dst needs a larger
// capacity, Decode calls grow with that capacity, and returns its error. It decodes from the start
// again with more room, so that it holds no coder while grow waits. Other errors are [ErrTooLarge]
// if the result has more bytes than the limit, and [*DamagedError].
func (c Coding) Decode(dst *bytes.Buffer, body []byte, limit int, grow func(capacity int) error) error {
	for size := min(limit, max(dst.Cap(), growth*len(body))); ; size = min(limit, growth*size) {
		if size > dst.Cap() {
			if err := grow(size); err != nil {
				return err
			}
			dst.Grow(size)
		}
		out, whole, err := c.decode(dst.AvailableBuffer()[:0:size], body)
		switch {
		case err != nil:
			return &DamagedError{c, err}
		case whole:
			dst.Write(out)
			return nil
		case size == limit:
			return ErrTooLarge
		}
	}
}

// decode decodes a body into dst. It reports false if dst does not have the capacity for it.
func (c Coding) decode(dst, body []byte) (out []byte, whole bool, err error) {
	enter()
	defer leave()
	switch {
	case len(body) == 0:
		return nil, false, io.ErrUnexpectedEOF
	case c == Gzip:
		return decodeStream(&gzipDecoders, dst, body)
	case c == Deflate:
		return decodeStream(&zlibDecoders, dst, body)
	}
	panic("coding: cannot decode " + c)
}

// A streamDecoder decodes the bytes of its reader.
type streamDecoder struct {
	in  bytes.Reader
	out io.Reader

	// start starts with new bytes.
	start func(d *streamDecoder) error
}

var (
	gzipDecoders = sync.Pool{New: func() any { return &streamDecoder{start: startGzip} }}
	zlibDecoders = sync.Pool{New: func() any { return &streamDecoder{start: startZlib} }}
)

func startGzip(d *streamDecoder) (err error) {
	if d.out == nil {
		d.out = new(gzip.Reader)
	}
	return d.out.(*gzip.Reader).Reset(&d.in)
}

func startZlib(d *streamDecoder) (err error) {
	if d.out == nil {
		d.out, err = zlib.NewReader(&d.in)
		if err != nil {
			d.out = nil
		}
		return err
	}
	return d.out.(zlib.Resetter).Reset(&d.in, nil)
}

var errFollowed = errors.New("other bytes follow")

// decodeStream is decode with a decoder from the pool.
func decodeStream(pool *sync.Pool, dst, body []byte) (out []byte, whole bool, err error) {
	d := pool.Get().(*streamDecoder)
	d.in.Reset(body)
	defer func() {
		d.in.Reset(nil) // so that the pool does not keep the body
		pool.Put(d)
	}()
	if err := d.start(d); err != nil {
		return nil, false, err
	}
	for {
		room := dst[len(dst):cap(dst)]
		if len(room) == 0 {
			room = make([]byte, 1) // to see whether this was all
		}
		n, err := d.out.Read(room)
		switch {
		case n > 0 && len(dst) == cap(dst):
			return nil, false, nil
		case err == io.EOF && d.in.Len() > 0:
			return nil, false, errFollowed
		case err == io.EOF:
			return dst[:len(dst)+n], true, nil
		case err != nil:
			return nil, false, err
		}
		dst = dst[:len(dst)+n]
	}
}
