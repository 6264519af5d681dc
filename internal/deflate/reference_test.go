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
	start   int // of the message in out
	size    int // of the output so far
	limit   int
	discard bool // out stays as it is

	literals, distances huffman
}

// run decompresses all blocks.
func (f *reference) run() error {
	if len(f.in) == 0 {
		return nil // a message that has not even its last block
	}
	for {
		f.fill()
		if f.n < 3 {
			return ErrInvalid
		}
		final := f.take(1) == 1
		var err error
		switch f.take(2) {
		case 0:
			err = f.stored()
		case 1:
			fixed := fixedCodes()
			err = f.compressed(&fixed.literals, &fixed.distances)
		case 2:
			if err = f.readCodes(); err == nil {
				err = f.compressed(&f.literals, &f.distances)
			}
		default:
			err = ErrInvalid
		}
		if err != nil {
			return err
		}
		read := f.pos - int(f.n/8) // the bytes that were begun
		if read == len(f.in)+len(Tail) || final && read >= len(f.in) {
			return nil
		}
		if final { // the next block begins at a byte
			f.align()
		}
	}
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

// compressed reads a block with these codes (RFC 1951, section 3.2.3).
func (f *reference) compressed(literals, distances *huffman) error {
	for {
		f.fill() // enough for a length, a distance and their extra bits
		symbol := f.symbol(literals)
		switch {
		case symbol < 0:
			return ErrInvalid
		case symbol < endOfBlock:
			if f.size++; f.size > f.limit {
				return ErrTooBig
			}
			if !f.discard {
				f.out = append(f.out, byte(symbol))
			}
			continue
		case symbol == endOfBlock:
			return nil
		}
		length, ok := f.extra(lengths[:], symbol-endOfBlock-1)
		if !ok {
			return ErrInvalid
		}
		distance, ok := f.extra(offsets[:], f.symbol(distances))
		if !ok || distance > f.size+len(f.window) {
			return ErrInvalid
		}
		if f.size+length > f.limit {
			return ErrTooBig
		}
		if !f.discard {
			f.copy(distance, length)
		}
		f.size += length
	}
}

// copy appends length bytes that begin distance bytes back.
func (f *reference) copy(distance, length int) {
	if before := distance - f.size; before > 0 {
		n := min(before, length)
		from := len(f.window) - before
		f.out = append(f.out, f.window[from:from+n]...)
		length -= n
	}
	// The bytes that are appended may be copied too.
	for length > 0 {
		from := len(f.out) - distance
		n := min(distance, length)
		f.out = append(f.out, f.out[from:from+n]...)
		length -= n
	}
}

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
