package deflate

import (
	"encoding/binary"

	"github.com/klauspost/compress/flate"
)

// MaxWindow is the farthest that a deflate block can refer back, in bytes.
const MaxWindow = 32 << 10

// level is the level of the compressor. For frames of 361 bytes of JSON, the table shows the bytes with and without
// the preceding frame as the dictionary, and the time with it (BenchmarkAppend, at other levels):
//
//	level        with  without  time
//	1             115      239  5.6 µs
//	3             112      237  6.0 µs
//	4             109      236  7.0 µs
//	6             108      236  7.3 µs
//	7             107      236   13 µs
//	stateless     111      237  5.2 µs, and an allocation
//
// For frames of 2,000 bytes, level 4 needs a tenth fewer bytes than level 3 and the stateless compressor.
const level = 4

// AppendStored appends p as stored blocks, without compression. The result ends at the boundary of a byte.
func AppendStored(dst, p []byte) []byte {
	const maxStored = 1<<16 - 1
	for len(p) > 0 {
		n := min(len(p), maxStored)
		dst = append(dst, 0)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
		dst = binary.LittleEndian.AppendUint16(dst, ^uint16(n))
		dst = append(dst, p[:n]...)
		p = p[n:]
	}
	return dst
}

// Append appends p as deflate blocks. They may refer to dict, which the receiver must have decompressed directly
// before them, and never refer further back than window bytes. The last block is an empty stored block, so the result
// ends with [Tail]. Equal arguments give equal results. Window must be from 256 to [MaxWindow].
//
// Append waits while as many other goroutines compress as there are processors, because a compressor needs 630 KB.
func Append(dst, p, dict []byte, window int) []byte {
	c := compressors.get()
	defer compressors.put(c)
	c.out = dst
	if window >= MaxWindow || len(dict)+len(p) <= window {
		c.append(p, dict)
	} else {
		// Each part may refer to at most as many bytes before it as it has itself, so no distance is longer than
		// the window.
		half := window / 2
		before := dict
		for {
			n := min(half, len(p))
			c.append(p[:n], before[max(0, len(before)-half):])
			before, p = p[:n], p[n:]
			if len(p) == 0 {
				break
			}
		}
	}
	dst, c.out = c.out, nil
	return dst
}

// compressor is a flate.Writer that appends to out.
type compressor struct {
	w   *flate.Writer
	out []byte
}

// Write implements [io.Writer].
func (c *compressor) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	return len(p), nil
}

func newCompressor() *compressor {
	c := new(compressor)
	c.w, _ = flate.NewWriter(c, level) // the only error is an invalid level
	return c
}

// forget drops the dictionary.
func (c *compressor) forget() { c.w.ResetDict(c, nil) }

func (c *compressor) append(p, dict []byte) {
	c.w.ResetDict(c, dict)
	// Write and Flush only return errors of c.Write, which has none.
	c.w.Write(p)
	c.w.Flush()
}
