package deflate

import (
	"runtime"
	"sync"
)

var (
	compressors = pool[*compressor]{make: newCompressor}
	inflaters   = pool[*inflater]{make: newInflater}
)

// pool has the compressors or inflaters that are not in use. Unlike a [sync.Pool] it bounds their number, one for each
// processor, and lets callers wait. None of them waits for anything while it is in use.
type pool[T interface{ forget() }] struct {
	make func() T // immutable

	once   sync.Once
	mu     sync.Mutex
	change sync.Cond // one was returned
	free   []T
	more   int // number that may still be made
}

func (s *pool[T]) get() T {
	s.once.Do(func() { s.change.L, s.more = &s.mu, runtime.GOMAXPROCS(0) })
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.free) == 0 && s.more == 0 {
		s.change.Wait()
	}
	if n := len(s.free); n > 0 {
		c := s.free[n-1]
		s.free = s.free[:n-1]
		return c
	}
	s.more--
	return s.make()
}

// put returns one, which keeps no data of its last user alive.
func (s *pool[T]) put(c T) {
	c.forget()
	s.mu.Lock()
	s.free = append(s.free, c)
	s.mu.Unlock()
	s.change.Signal()
}
