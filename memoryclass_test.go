package boreas

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// What is counted for clients and for keys is given back, and the heaps hold no log twice.
func TestMemoryGivesBackWhatItCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryOptions{Memory: 100_000})
		defer m.Close()
		for i := range 3000 {
			msg := Message{Data: []byte(fmt.Sprint(i)), Publisher: []string{"", "ann", "bob"}[i%3]}
			if i%5 == 0 {
				msg.Key = fmt.Sprint(i)
			}
			if _, err := m.Publish(context.Background(), fmt.Sprint(i*7%50), msg); err != nil && i%5 > 0 {
				t.Fatal(err)
			}
			valid := map[*memoryLog]bool{}
			for c, logs := range m.evictor.logs {
				for _, a := range logs {
					if a.log.queued.evictor == logClass(c) {
						if valid[a.log] {
							t.Fatalf("after %d messages: the log of %s is in a heap twice", i, a.log.name)
						}
						valid[a.log] = true
					}
				}
			}
		}
		if m.clientBytes.Load() == 0 || m.keyShares.clients.Load() == 0 {
			t.Error("nothing is counted for clients")
		}
		<-time.After(2 * time.Hour)
		k := &m.keyShares
		for what, n := range map[string]int64{
			"used": m.used.Load(), "idle": m.idleBytes.Load(), "clients": m.clientBytes.Load(), "keys": k.all.Load(), "clients' keys": k.clients.Load(),
			"publishers": int64(len(k.byName)), "idle logs": int64(len(m.idle.list)), "followed": m.followed.Load(), "logs": m.logs.Load(),
		} {
			if n != 0 {
				t.Errorf("%s: %d are still counted", what, n)
			}
		}
	})
}
