package socket

import "sync"

// readSize is how many bytes one read may return. It is more than most clients ever send. It is
// chosen so that a Buffer has exactly 4 KiB.
const readSize = 4<<10 - 8

// A Buffer holds bytes that a connection has read. A connection has no Buffer while it waits.
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

// Bytes returns the content of the buffer. It is valid until Release.
func (b *Buffer) Bytes() []byte { return b.bytes[:b.n] }

// Fill replaces the content with as much of p as fits. It returns how much that was.
func (b *Buffer) Fill(p []byte) int {
	b.n = copy(b.bytes[:], p)
	return b.n
}

// Release returns the buffer to the pool. The caller must not use it afterwards.
func (b *Buffer) Release() { buffers.Put(b) }
