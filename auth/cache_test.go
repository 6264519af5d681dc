package auth

import (
	"strconv"
	"testing"
)

// TestCache: a full cache forgets only values that were not used lately.
func TestCache(t *testing.T) {
	c := cache[int]{max: 10}
	key := func(i int) []byte { return []byte(strconv.Itoa(i)) }
	for i := range 1000 {
		c.put(key(i), i)
		if v, ok := c.get(key(0)); !ok || v != 0 {
			t.Fatalf("after %d others, the value in use is %d, %v", i, v, ok)
		}
		if n := len(c.young) + len(c.old); n > c.max {
			t.Fatalf("%d values, more than %d", n, c.max)
		}
	}
	if _, ok := c.get(key(1)); ok {
		t.Error("a value that was not used for long is still there")
	}
	if v := c.getOrPut(key(999), -1); v != 999 {
		t.Errorf("getOrPut replaced a value with %d", v)
	}
	if v := c.getOrPut(key(1), -1); v != -1 {
		t.Errorf("getOrPut returned %d, want the new value", v)
	}
	c.put(key(0), 7)
	if v, _ := c.get(key(0)); v != 7 {
		t.Errorf("put left the value %d", v)
	}
}
