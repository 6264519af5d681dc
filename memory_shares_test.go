package boreas_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas"
)

// keyed publishes as the publisher, with new keys, until it is refused or has done so n
// times. It returns how often it went well.
func (m *memory) keyed(publisher string, n int) int {
	m.Helper()
	for i := range n {
		keysMade++
		_, err := m.Publish(context.Background(), "a", boreas.Message{
			Data: []byte("x"), Key: fmt.Sprintf("%0100d", keysMade), Publisher: publisher,
		})
		switch {
		case errors.Is(err, boreas.ErrTooManyKeys):
			return i
		case err != nil:
			m.Fatal(err)
		}
	}
	return n
}

var keysMade int

// Publishers' keys never take the backend's room, nor one publisher's that of another.
func TestKeysAreSharedFairly(t *testing.T) {
	inMemory(t, boreas.MemoryOptions{Memory: 8 << 20, Messages: 1}, func(m *memory) {
		const many = 1 << 20
		alone := m.keyed("first", many)
		if alone < 400 || alone > 600 { // a ninth of 1 MiB, at 212 bytes
			t.Errorf("one publisher alone may have %d keys", alone)
		}
		for i := range 20 {
			m.keyed(fmt.Sprint("greedy-", i), many)
		}
		if got := m.keyed("late", 5); got != 5 {
			t.Errorf("after 20 greedy publishers another one may have %d keys", got)
		}
		if got := m.keyed("", 4000); got != 4000 {
			t.Errorf("the backend may have %d keys beside those of publishers", got)
		}
		m.keyed("", many)
		if got := m.keyed("", 1); got != 0 {
			t.Error("the backend's keys have no bound")
		}
		<-time.After(3 * time.Minute)
		if s := m.Stats(); s.Keys != 0 {
			t.Fatalf("%+v", s)
		}
		if got := m.keyed("first", many); got != alone {
			t.Errorf("with all room back one publisher may have %d keys, and had %d", got, alone)
		}
		<-time.After(2 * time.Hour)
		if s := m.Stats(); s.Bytes != 0 {
			t.Errorf("nothing is kept, but %+v", s)
		}
	})
}
