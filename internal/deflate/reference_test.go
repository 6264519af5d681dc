package deflate

import "encoding/binary"

// reference decompresses one message, block by block, so that tests see how far back its copies refer.
type reference struct {
	in   []byte
	pos  int    // of the next byte to read; Tail follows in
	bits uint64 // bits that were read; those above n may be set
	n    uint   // the number of bits

	window  []byte
	out     []byte
	size    int // of the output so far
	limit   int
	discard bool // out stays as it is

	literals, distances huffman
}

// fill reads as many bytes as fit into bits: at least 7, unless the input ends.
func (f *reference) fill() {
	if f.pos+8 <= len(f.in) {
		f.bits |= binary.LittleEndian.Uint64(f.in[f.pos:]) << f.n
		read := (63 - f.n) / 8
		f.pos += int(read)
		f.n += 8 * read
		return
	}
	for f.n <= 56 && f.pos < len(f.in)+len(Tail) {
		var c byte
		if f.pos < len(f.in) {
			c = f.in[f.pos]
		} else {
			c = Tail[f.pos-len(f.in)]
		}
		f.bits |= uint64(c) << f.n
		f.pos++
		f.n += 8
	}
}

// take returns the next bits, which must have been read.
func (f *reference) take(n uint) uint {
	b := f.bits & (1<<n - 1)
	f.bits >>= n
	f.n -= n
	return uint(b)
}

// align moves to the next boundary of a byte.
func (f *reference) align() {
	f.pos -= int(f.n / 8)
	f.bits, f.n = 0, 0
}

// stored reads a block without compression (RFC 1951, section 3.2.4).
func (f *reference) stored() error {
	f.align()
	f.fill()
	if f.n < 32 {
		return ErrInvalid
	}
	n, inverse := int(f.take(16)), int(f.take(16))
	f.align()
	if n != inverse^0xffff || n > max(0, len(f.in)-f.pos) {
		return ErrInvalid
	}
	if n == 0 {
		return nil // its header may end in Tail
	}
	if f.size+n > f.limit {
		return ErrTooBig
	}
	f.size += n
	if !f.discard {
		f.out = append(f.out, f.in[f.pos:f.pos+n]...)
	}
	f.pos += n
	return nil
}

const endOfBlock = 256

// A span is the meaning of a symbol: numbers from base, with the given number of extra bits (RFC 1951, section 3.2.5).
type span struct {
	base  uint16
	extra uint8
}

var (
	lengths = [29]span{
		{3, 0},
		{4, 0},
		{5, 0},
		{6, 0},
		{7, 0},
		{8, 0},
		{9, 0},
		{10, 0},
		{11, 1},
		{13, 1},
		{15, 1},
		{17, 1},
		{19, 2},
		{23, 2},
		{27, 2},
		{31, 2},
		{35, 3},
		{43, 3},
		{51, 3},
		{59, 3},
		{67, 4},
		{83, 4},
		{99, 4},
		{115, 4},
		{131, 5},
		{163, 5},
		{195, 5},
		{227, 5},
		{258, 0},
	}
	offsets = [30]span{
		{1, 0},
		{2, 0},
		{3, 0},
		{4, 0},
		{5, 1},
		{7, 1},
		{9, 2},
		{13, 2},
		{17, 3},
		{25, 3},
		{33, 4},
		{49, 4},
		{65, 5},
		{97, 5},
		{129, 6},
		{193, 6},
		{257, 7},
		{385, 7},
		{513, 8},
		{769, 8},
		{1025, 9},
		{1537, 9},
		{2049, 10},
		{3073, 10},
		{4097, 11},
		{6145, 11},
		{8193, 12},
		{12289, 12},
		{16385, 13},
		{24577, 13},
	}
)

// extra returns the number that a symbol and its extra bits mean.
func (f *reference) extra(spans []span, symbol int) (n int, ok bool) {
	if symbol < 0 || symbol >= len(spans) {
		return 0, false
	}
	s := spans[symbol]
	if f.n < uint(s.extra) {
		return 0, false
	}
	return int(s.base) + int(f.take(uint(s.extra))), true
}
