package deflate

import (
	"math/bits"
	"sync"
)

const (
	maxCode  = 15 // the length of the longest code in bits
	quickest = 9  // codes up to this length are found in one step
)

// huffman is a Huffman code (RFC 1951, section 3.2.2).
type huffman struct {
	// quick has, for all values of the next bits, a symbol and the length of its code (the lowest 4 bits), or 0 if the
	// code is longer or invalid.
	quick   [1 << quickest]uint16
	count   [maxCode + 1]uint16 // how many codes have each length
	symbols [288]uint16         // in the order of their codes
}

// set makes the code from the length of each symbol's code. It returns false if there is no such code. As in zlib, a
// code with one symbol or none may have unused values.
func (h *huffman) set(lengths []uint8) bool {
	h.count = [maxCode + 1]uint16{}
	for _, n := range lengths {
		h.count[n]++
	}
	h.count[0] = 0
	var first, code [maxCode + 2]int // the index in symbols, and the first code, of each length
	left, total := 1, 0
	for n := 1; n <= maxCode; n++ {
		left = left<<1 - int(h.count[n])
		if left < 0 {
			return false
		}
		total += int(h.count[n])
		first[n+1] = total
		code[n+1] = (code[n] + int(h.count[n])) << 1
	}
	if left > 0 && total > 0 && !(total == 1 && h.count[1] == 1) {
		return false
	}
	h.quick = [1 << quickest]uint16{}
	for symbol, length := range lengths {
		n := int(length)
		if n == 0 {
			continue
		}
		h.symbols[first[n]] = uint16(symbol)
		first[n]++
		if n <= quickest {
			// The code's first bit is the lowest.
			reversed := int(bits.Reverse16(uint16(code[n])) >> (16 - n))
			for i := reversed; i < len(h.quick); i += 1 << n {
				h.quick[i] = uint16(symbol)<<4 | uint16(n)
			}
		}
		code[n]++
	}
	return true
}

// symbol reads the next symbol, or returns -1. All its bits must have been read, unless the input ends.
func (f *reference) symbol(h *huffman) int {
	if e := h.quick[f.bits&(1<<quickest-1)]; e != 0 {
		if f.n < uint(e&15) {
			return -1
		}
		f.take(uint(e & 15))
		return int(e >> 4)
	}
	code, first, index := 0, 0, 0
	for n := 1; n <= maxCode; n++ {
		code |= int(f.bits >> (n - 1) & 1)
		count := int(h.count[n])
		if code-first < count {
			if f.n < uint(n) {
				return -1
			}
			f.take(uint(n))
			return int(h.symbols[index+code-first])
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return -1
}

// readCodes reads the two codes of a block (RFC 1951, section 3.2.7).
func (f *reference) readCodes() error {
	f.fill()
	if f.n < 14 {
		return ErrInvalid
	}
	literals, distances, n := int(f.take(5))+257, int(f.take(5))+1, int(f.take(4))+4
	if literals > 286 || distances > len(offsets) {
		return ErrInvalid
	}
	order := [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	var all [286 + len(offsets)]uint8
	for _, symbol := range order[:n] {
		if f.fill(); f.n < 3 {
			return ErrInvalid
		}
		all[symbol] = uint8(f.take(3))
	}
	if !f.literals.set(all[:len(order)]) {
		return ErrInvalid
	}
	clear(all[:len(order)])
	for i := 0; i < literals+distances; {
		f.fill()
		symbol := f.symbol(&f.literals)
		if symbol < 0 {
			return ErrInvalid
		}
		if symbol < 16 {
			all[i] = uint8(symbol)
			i++
			continue
		}
		repeat := [3]span{{3, 2}, {3, 3}, {11, 7}}
		times, ok := f.extra(repeat[:], symbol-16)
		if !ok || i+times > literals+distances || symbol == 16 && i == 0 {
			return ErrInvalid
		}
		var value uint8
		if symbol == 16 {
			value = all[i-1]
		}
		for range times {
			all[i] = value
			i++
		}
	}
	if !f.literals.set(all[:literals]) || !f.distances.set(all[literals:literals+distances]) {
		return ErrInvalid
	}
	return nil
}

// codes are the codes of a block.
type codes struct{ literals, distances huffman }

// fixedCodes returns the codes of RFC 1951, section 3.2.6.
var fixedCodes = sync.OnceValue(func() *codes {
	var l [288]uint8
	for i := range l {
		switch {
		case i < 144:
			l[i] = 8
		case i < 256:
			l[i] = 9
		case i < 280:
			l[i] = 7
		default:
			l[i] = 8
		}
	}
	var d [32]uint8
	for i := range d {
		d[i] = 5
	}
	c := new(codes)
	c.literals.set(l[:])
	c.distances.set(d[:])
	return c
})
