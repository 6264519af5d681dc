package ws

import "sync"

// readSize is how many bytes are read at once: more than most clients ever have
// to say.
const readSize = 4 << 10

// buffer is what a connection reads into. It has one only while it reads.
type buffer struct{ bytes [readSize]byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func getBuffer() *buffer  { return buffers.Get().(*buffer) }
func putBuffer(b *buffer) { buffers.Put(b) }
