package socket

import "sync"

// readSize is how many bytes are read at once: more than most clients ever have
// to say. A whole buffer has 4 KiB.
const readSize = 4<<10 - 8

// A Buffer is what a connection reads into. It has one only while it reads.
type Buffer struct {
	n     int
	bytes [readSize]byte
}

var buffers = sync.Pool{New: func() any { return new(Buffer) }}

// NewBuffer returns an empty buffer.
func NewBuffer() *Buffer {
	b := buffers.Get().(*Buffer)
	b.n = 0
	return b
}

// Bytes returns what is in the buffer, which is valid until Release.
func (b *Buffer) Bytes() []byte { return b.bytes[:b.n] }

// Fill copies as much of p into the buffer as fits, in place of what was there, and
// returns how much that was.
func (b *Buffer) Fill(p []byte) int {
	b.n = copy(b.bytes[:], p)
	return b.n
}

// Release gives the buffer back. It is not used again.
func (b *Buffer) Release() { buffers.Put(b) }
