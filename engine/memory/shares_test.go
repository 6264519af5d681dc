package memory_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// keyed publishes n messages with new keys as the publisher, or fewer if the engine refuses a key.
// It returns the number of messages published.
func (m *testEngine) keyed(publisher string, n int) int {
	m.Helper()
	for i := range n {
		keysMade++
		_, err := m.Publish(context.Background(), "a", engine.Message{
			Data: []byte("x"), Key: fmt.Sprintf("%0100d", keysMade), Publisher: publisher,
		})
		switch {
		case errors.Is(err, engine.ErrTooManyKeys):
			return i
		case err != nil:
			m.Fatal(err)
		}
	}
	return n
}

var keysMade int

// Publishers' keys never use the backend's share, and one publisher's keys leave room for others.
func TestKeysAreSharedFairly(t *testing.T) {
	inMemory(t, memory.Options{Memory: 8 << 20, Messages: 1}, func(m *testEngine) {
		const many = 1 << 20
		alone := m.keyed("first", many)
		if alone < 400 || alone > 600 { // a ninth of 1 MiB, at 212 bytes
			t.Errorf("a single publisher may have %d keys", alone)
		}
		for i := range 20 {
			m.keyed(fmt.Sprint("greedy-", i), many)
		}
		if got := m.keyed("late", 5); got != 5 {
			t.Errorf("after 20 greedy publishers another one may have %d keys, want 5", got)
		}
		if got := m.keyed("", 4000); got != 4000 {
			t.Errorf("beside the publishers' keys the backend may have %d keys, want 4000", got)
		}
		m.keyed("", many)
		if got := m.keyed("", 1); got != 0 {
			t.Error("the backend's keys are unlimited")
		}
		<-time.After(3 * time.Minute)
		if s := m.Stats(); s.Keys != 0 {
			t.Fatalf("%+v", s)
		}
		if got := m.keyed("first", many); got != alone {
			t.Errorf("after the keys have expired a publisher may have %d keys, want %d", got, alone)
		}
		<-time.After(2 * time.Hour)
		if s := m.Stats(); s.Bytes != 0 {
			t.Errorf("nothing is kept, but %+v", s)
		}
	})
}

// Clients that publish as much as they can leave half of the history to channels on which only
// backends publish. Clients may use all of it while no other channel needs it.
func TestHistoryIsSharedWithBackends(t *testing.T) {
	inMemory(t, memory.Options{Memory: 1 << 20}, func(m *testEngine) {
		data := []byte(strings.Repeat("x", 500))
		flood := func(publisher string, n int) (kept int64) {
			m.Helper()
			for i := range n {
				channel := fmt.Sprint(publisher, i%700)
				if _, err := m.Publish(context.Background(), channel, engine.Message{Data: data, Publisher: publisher}); err != nil {
					m.Fatal(err)
				}
			}
			return m.Stats().Publications
		}
		alone := flood("client", 5000)
		if alone < 1000 { // every second message also pays for a log
			t.Errorf("clients alone keep %d messages", alone)
		}
		for i := range 600 {
			m.publish("news", fmt.Sprintf("%0500d", i))
		}
		flood("client", 20_000)
		flood("other", 20_000)
		if got := len(strings.Fields(m.kept("news", engine.Position{}))); got != 600 {
			t.Errorf("%d of a backend's 600 messages are kept, a third of the ceiling", got)
		}
		for i := range 5000 {
			m.publish("news", fmt.Sprintf("%0500d", i))
		}
		if h, err := m.Read(context.Background(), "news", engine.Position{}, engine.Limit{Messages: 5000}); err != nil || len(h.Publications) < 850 {
			t.Errorf("the backend keeps %d messages, %v", len(h.Publications), err)
		}
		if used := m.Stats().Bytes; used > 1<<20 {
			t.Errorf("%d bytes are used", used)
		}
		// A client that publishes on the backend's channel moves the channel to classClients.
		flood("client", 700)
		m.Publish(context.Background(), "news", engine.Message{Data: data, Publisher: "client"})
		flood("client", 20_000)
		if got := m.kept("news", engine.Position{}); got != "" {
			t.Errorf("the channel on which a client published still keeps %.20s", got)
		}
		<-time.After(2 * time.Hour)
		if s := m.Stats(); s.Bytes != 0 || s.Channels != 0 {
			t.Errorf("nothing is kept, but %+v", s)
		}
	})
}
