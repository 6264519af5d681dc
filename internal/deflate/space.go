package deflate

import "sync"

// MaxDictionary is the size of the largest message to which the next one should refer. A large
// dictionary costs time for each message.
const MaxDictionary = 8 << 10

// maxSpace is the size of a buffer that is kept for other messages.
const maxSpace = 64 << 10

// Space has two buffers for a message and its dictionary.
type Space [2][]byte

var spaces = sync.Pool{New: func() any { return new(Space) }}

// NewSpace returns a Space, whose buffers have any content.
func NewSpace() *Space { return spaces.Get().(*Space) }

// Release returns the Space to the pool. The caller must not use it afterwards.
func (s *Space) Release() {
	if cap(s[0]) <= maxSpace && cap(s[1]) <= maxSpace {
		spaces.Put(s)
	}
}
