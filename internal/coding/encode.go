package coding

import (
	"sync"

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
		out = appendGzip(make([]byte, 0, len(body)/growth), body)
	case Zstd:
		e := zstdEncoders.Get().(*zstd.Encoder)
		out = e.EncodeAll(body, make([]byte, 0, len(body)/growth))
		zstdEncoders.Put(e)
	default:
		panic("coding: cannot encode " + c)
	}
	return out, len(out) < len(body)
}

// encoderWindow is the window of zstd: enough for a page of history, with little memory.
const encoderWindow = 128 << 10

var zstdEncoders = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(encoderWindow), zstd.WithLowerEncoderMem(true))
	if err != nil { // an option is wrong
		panic(err)
	}
	return e
}}
