package limit

import (
	"hash/maphash"
	"math"
	"sync"
)

const (
	// maxClients is how many clients a table remembers: some 10 MB when it is full.
	maxClients = 64 << 10

	// shards is by how many locks a table is guarded.
	shards = 16

	// looks is of how many clients the one with the least to lose is forgotten.
	looks = 8
)

// A table remembers clients by their key.
type table[K comparable, V any] struct {
	seed   maphash.Seed
	max    int // of one shard
	shards [shards]shard[K, V]
}

type shard[K comparable, V any] struct {
	mu   sync.Mutex
	byID map[K]*V
}

// remembered is what a table must know of its values.
type remembered[V any] interface {
	*V
	busyUntil() int64 // when forgetting it costs nothing
	forget()          // it has been
}

func newTable[K comparable, V any](size int) *table[K, V] {
	return &table[K, V]{seed: maphash.MakeSeed(), max: size / shards}
}

func (t *table[K, V]) shard(key K) *shard[K, V] {
	return &t.shards[maphash.Comparable(t.seed, key)%shards]
}

// get returns what is remembered of the key, or nil.
func (t *table[K, V]) get(key K) *V {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[key]
}

// getOrAdd returns what is remembered of the key, or else what make makes.
func getOrAdd[K comparable, V any, P remembered[V]](t *table[K, V], key K, make func() P) P {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.byID[key]; v != nil {
		return v
	}
	if s.byID == nil {
		s.byID = map[K]*V{}
	}
	if len(s.byID) >= t.max {
		forgetOne[K, V, P](s)
	}
	v := make()
	s.byID[key] = v
	return v
}

// forgetOne makes room. The caller holds mu. A map begins anywhere, so others are looked
// at each time.
func forgetOne[K comparable, V any, P remembered[V]](s *shard[K, V]) {
	var first K
	least, n := int64(math.MaxInt64), 0
	for key, v := range s.byID {
		if until := P(v).busyUntil(); until < least {
			first, least = key, until
		}
		if n++; n == looks {
			break
		}
	}
	P(s.byID[first]).forget()
	delete(s.byID, first)
}

func (t *table[K, V]) len() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.byID)
		s.mu.Unlock()
	}
	return n
}
