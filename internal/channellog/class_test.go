package channellog

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// The counters for clients and keys return to zero, and no heap contains a log twice.
func TestCountersReturnToZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{Memory: 100_000})
		for i := range 3000 {
			msg := engine.Message{Data: []byte(fmt.Sprint(i)), Publisher: []string{"", "ann", "bob"}[i%3]}
			if i%5 == 0 {
				msg.Key = fmt.Sprint(i)
			}
			if _, err := m.Publish(fmt.Sprint(i*7%50), msg); err != nil && i%5 > 0 {
				t.Fatal(err)
			}
			if name := twice(m); name != "" {
				t.Fatalf("after %d messages: the log of %s is in a heap twice", i, name)
			}
		}
		if m.clientBytes.Load() == 0 || m.keyShares.clients.Load() == 0 {
			t.Error("the counters for clients are zero")
		}
		<-time.After(2 * time.Hour)
		m.Close() // so that the janitor does not wait for the locks
		k := &m.keyShares
		k.mu.Lock()
		defer k.mu.Unlock()
		m.idle.mu.Lock()
		defer m.idle.mu.Unlock()
		for what, n := range map[string]int64{
			"used": m.used.Load(), "idle": m.idleBytes.Load(), "clients": m.clientBytes.Load(), "keys": k.all.Load(), "clients' keys": k.clients.Load(),
			"publishers": int64(len(k.byName)), "idle logs": int64(len(m.idle.list)), "followed": m.followed.Load(), "logs": m.logs.Load(),
		} {
			if n != 0 {
				t.Errorf("counter %s: %d, want 0", what, n)
			}
		}
	})
}

// twice returns the name of a log that is in a heap twice, or "" if there is none.
func twice(m *Table) string {
	m.evictor.mu.Lock()
	defer m.evictor.mu.Unlock()
	counts := map[*Log]bool{}
	for c, logs := range m.evictor.logs {
		for _, a := range logs {
			a.log.mu.Lock()
			valid := a.log.queued.evictor == logClass(c)
			a.log.mu.Unlock()
			if valid && counts[a.log] {
				return a.log.name
			}
			counts[a.log] = counts[a.log] || valid
		}
	}
	return ""
}
