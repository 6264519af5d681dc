package auth

import "sync"

// A cache remembers values by a key of bytes, at most max of them. It has two generations: when
// the young one is full it becomes the old one, and the values that were not used since then are
// forgotten. So no list has to be kept in the order of use. Its methods may be called by many
// goroutines at once.
type cache[V any] struct {
	max int // immutable

	mu         sync.Mutex
	young, old map[string]V // guarded by mu
}

// get returns the value of the key.
func (c *cache[V]) get(key []byte) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(key)
}

// put remembers a value in place of the one that the key has.
func (c *cache[V]) put(key []byte, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, v)
}

// getOrPut returns the value of the key. If it has none, it gets v.
func (c *cache[V]) getOrPut(key []byte, v V) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.find(key); ok {
		return known
	}
	c.add(key, v)
	return v
}

// find is get for a caller that holds mu.
func (c *cache[V]) find(key []byte) (V, bool) {
	v, ok := c.young[string(key)]
	if !ok {
		if v, ok = c.old[string(key)]; ok {
			c.add(key, v)
		}
	}
	return v, ok
}

// add adds the value to the young generation. The caller holds mu.
func (c *cache[V]) add(key []byte, v V) {
	if _, known := c.young[string(key)]; !known && (c.young == nil || len(c.young) >= max(c.max/2, 1)) {
		c.young, c.old = make(map[string]V), c.young
	}
	c.young[string(key)] = v
}
