package limit

import (
	"hash/maphash"
	"math"
	"sync"
)

const (
	// maxClients is how many clients a table remembers. A full table takes about 10 MB.
	maxClients = 64 << 10

	// shards is the number of a table's shards; each has its own lock.
	shards = 16

	// looks is how many clients forgetOne compares.
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

// remembered is the interface of a table's values.
type remembered[V any] interface {
	*V
	busyUntil() int64 // when forgetting the value loses nothing
	forget()          // marks the value as forgotten
}

func newTable[K comparable, V any](size int) *table[K, V] {
	return &table[K, V]{seed: maphash.MakeSeed(), max: size / shards}
}

func (t *table[K, V]) shard(key K) *shard[K, V] {
	return &t.shards[maphash.Comparable(t.seed, key)%shards]
}

// get returns the value for the key, or nil.
func (t *table[K, V]) get(key K) *V {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[key]
}

// getOrAdd returns the value for the key. If there is none, it adds the result of make.
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

// forgetOne forgets the client that loses least, of the first few in the map. The caller holds
// s.mu. Go iterates a map from a random start, so each call compares other clients.
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

// each calls visit for each value, with the lock of one shard held. Visit must be fast and must not
// call the table.
func (t *table[K, V]) each(visit func(*V)) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for _, v := range s.byID {
			visit(v)
		}
		s.mu.Unlock()
	}
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
