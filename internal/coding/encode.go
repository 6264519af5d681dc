package coding

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Encode returns a body in the coding Gzip or Zstd. It reports false if that would not make the body
// smaller.
func (c Coding) Encode(body []byte) ([]byte, bool) {
	enter()
	defer leave()
	var out []byte
	switch c {
	case Gzip:
		e := gzipEncoders.Get().(*gzipEncoder)
		out = e.encode(body)
		gzipEncoders.Put(e)
	case Zstd:
		e := zstdEncoders.Get().(*zstd.Encoder)
		out = e.EncodeAll(body, make([]byte, 0, len(body)/growth))
		zstdEncoders.Put(e)
	default:
		panic("coding: cannot encode " + c)
	}
	return out, len(out) < len(body)
}

// encoderWindow is the window of an encoder: enough for a page of history, with little memory.
const encoderWindow = 128 << 10

var (
	gzipEncoders = sync.Pool{New: func() any {
		w, err := gzip.NewWriterLevel(nil, gzipLevel)
		if err != nil { // the level is wrong
			panic(err)
		}
		return &gzipEncoder{w}
	}}
	zstdEncoders = sync.Pool{New: func() any {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(encoderWindow), zstd.WithLowerEncoderMem(true))
		if err != nil { // an option is wrong
			panic(err)
		}
		return e
	}}
)

const gzipLevel = 1

type gzipEncoder struct{ w *gzip.Writer }

func (e *gzipEncoder) encode(body []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(body) / growth)
	e.w.Reset(&out)
	e.w.Write(body) // a bytes.Buffer returns no errors
	e.w.Close()
	e.w.Reset(nil) // so that the pool does not keep the result
	return out.Bytes()
}
