package memory_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// withKey publishes and returns the result in words.
func (m *testEngine) withKey(channel, data, key string) string {
	ack, err := m.Publish(context.Background(), channel, engine.Message{Data: []byte(data), Key: key})
	switch {
	case err != nil:
		return err.Error()
	case ack.Duplicate:
		return fmt.Sprint("duplicate of ", ack.Position.Offset)
	}
	return fmt.Sprint("published ", ack.Position.Offset)
}

func (m *testEngine) wantKey(channel, data, key, want string) {
	m.Helper()
	if got := m.withKey(channel, data, key); got != want {
		m.Errorf("%s on %s with key %s: %s, want %s", data, channel, key, got, want)
	}
}

// clause 6.3
func TestMemoryKeys(t *testing.T) {
	inMemory(t, memory.Options{Age: time.Second, Messages: 1}, func(m *testEngine) {
		m.wantKey("a", "1", "k", "published 1")
		m.wantKey("a", "1", "k", "duplicate of 1")
		m.wantKey("a", "2", "k", engine.ErrKeyReused.Error())
		m.wantKey("a", "1", "K", "published 2") // another key
		m.wantKey("b", "2", "k", "published 1") // another channel
		m.wantKey("a", "1", "", "published 3")  // no key

		// The key is remembered for longer than the message.
		<-time.After(2 * time.Minute)
		m.want("a", engine.Position{}, "")
		m.wantKey("a", "1", "k", "duplicate of 1")
		<-time.After(1)
		m.wantKey("a", "2", "k", "published 4")
		m.wantKey("a", "2", "k", "duplicate of 4")
	})
}

// The position of a duplicate is valid for as long as the key is remembered, so the log is not
// forgotten before.
func TestMemoryKeysKeepTheLog(t *testing.T) {
	inMemory(t, memory.Options{KeyWindow: 3 * time.Hour, Messages: -1}, func(m *testEngine) {
		m.wantKey("a", "1", "k", "published 1")
		<-time.After(3 * time.Hour)
		m.wantKey("a", "1", "k", "duplicate of 1")
		m.want("a", engine.Position{Epoch: m.epoch(), Offset: 1}, "") // nothing new
		<-time.After(2 * time.Minute)
		if s := m.Stats(); s != (engine.Stats{Evicted: 1, EvictedBounds: 1}) {
			t.Errorf("%+v", s)
		}
	})
}

func (m *testEngine) epoch() uint64 {
	h, err := m.Read(context.Background(), "none", engine.Position{}, engine.Limit{})
	if err != nil {
		m.Fatal(err)
	}
	return h.Head.Epoch
}

func TestMemoryWithoutKeys(t *testing.T) {
	inMemory(t, memory.Options{KeyWindow: -1}, func(m *testEngine) {
		m.wantKey("a", "1", "k", "published 1")
		m.wantKey("a", "1", "k", "published 2")
		if n := m.Stats().Keys; n != 0 {
			t.Errorf("%d keys are remembered", n)
		}
	})
}

// clause 6.4: too_many_keys
func TestMemoryKeysAreBounded(t *testing.T) {
	inMemory(t, memory.Options{Memory: 1 << 20}, func(m *testEngine) {
		for i := range 2000 {
			m.publish("history", fmt.Sprint(i))
		}
		key := func(i int) string { return fmt.Sprintf("%0128d", i) }
		n := 0
		for got := ""; got != engine.ErrTooManyKeys.Error(); n++ {
			got = m.withKey("a", "x", key(n))
		}
		if n < 900 || n > 1200 { // 256 KiB, with keys of 128 bytes
			t.Errorf("%d keys in a quarter of 1 MiB", n)
		}
		m.wantKey("a", "x", key(0), "duplicate of 1") // known keys still work
		m.wantKey("b", "x", "b", engine.ErrTooManyKeys.Error())
		if head := m.publish("a", "x"); head.Offset != uint64(n) { // and so do messages without a key
			t.Errorf("head %v after %d keys", head, n)
		}
		if got := len(strings.Fields(m.kept("history", engine.Position{}))); got != 1000 {
			t.Errorf("%d of 1,000 messages are kept", got)
		}
		// Later there is room for new keys.
		<-time.After(2*time.Minute + 40*time.Second)
		if n := m.Stats().Keys; n != 0 {
			t.Errorf("%d keys are remembered", n)
		}
		m.wantKey("b", "x", "b", "published 1")
		m.wantKey("a", "x", key(0), fmt.Sprint("published ", n+1))
		<-time.After(2 * time.Hour)
		if s := m.Stats(); s.Bytes != 0 || s.Keys != 0 || s.Channels != 0 {
			t.Errorf("after two hours: %+v", s)
		}
	})
}

// The oldest keys expire first, and their memory is freed.
func TestMemoryKeysExpireInOrder(t *testing.T) {
	inMemory(t, memory.Options{KeyWindow: 1000 * time.Second}, func(m *testEngine) {
		for i := range 3000 {
			<-time.After(time.Second)
			m.wantKey("a", "x", fmt.Sprint(i), fmt.Sprint("published ", i+1))
			if i >= 1000 {
				m.wantKey("a", "x", fmt.Sprint(i-1000), fmt.Sprint("duplicate of ", i-999))
			}
		}
		if n := m.Stats().Keys; n != 1001 {
			t.Errorf("%d keys are remembered", n)
		}
		<-time.After(990 * time.Second)
		m.wantKey("a", "x", "2999", "duplicate of 3000")
		m.wantKey("a", "x", "2988", "published 3001")
	})
}
