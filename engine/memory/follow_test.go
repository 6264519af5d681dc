package memory_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

func (m *testEngine) follow(channel string, deliver func(*engine.Publication)) (engine.Position, func()) {
	m.Helper()
	head, stop, err := m.Follow(context.Background(), channel, boreastest.DeliverFunc(deliver))
	if err != nil {
		m.Fatal(err)
	}
	return head, stop
}

func nobody(*engine.Publication) {}

// Channels that are only followed never evict history, in any number: neither while they are
// followed nor afterwards, neither with nor without earlier messages of their own.
func TestFollowersDoNotEvictHistory(t *testing.T) {
	for name, messages := range map[string]int{"never published to": 0, "published to, nothing kept": 1} {
		t.Run(name, func(t *testing.T) {
			o := memory.Options{Memory: 1 << 20, Limits: func(channel string) engine.Retention {
				if channel == "news" {
					return engine.Retention{}
				}
				return engine.Retention{Messages: -1}
			}}
			inMemory(t, o, func(m *testEngine) {
				for i := range 5000 {
					m.publish("news", fmt.Sprint(i))
				}
				want := m.Stats()
				check := func(when string) {
					m.Helper()
					if got := m.Stats(); got.Publications != want.Publications || got.EvictedMemory != 0 || got.Bytes > 1<<20 {
						m.Fatalf("%s: %+v, want %d publications", when, got, want.Publications)
					}
				}
				var stops []func()
				long := strings.Repeat("x", 240)
				for i := range 20_000 { // would take 10 MB if they counted as history
					channel := fmt.Sprint(long, i)
					_, stop := m.follow(channel, nobody)
					stops = append(stops, stop)
					for range messages {
						m.publish(channel, "x")
					}
				}
				check("while they are followed")
				if n := m.Stats().Followed; n != 20_000 {
					t.Errorf("%d channels are followed", n)
				}
				m.publish("news", "one more")
				want.Publications++
				check("after another message")
				for _, stop := range stops {
					stop()
					check("while they are left")
				}
				if n := m.Stats().Followed; n != 0 {
					t.Errorf("%d channels are still followed", n)
				}
			})
		})
	}
}

// Idle logs are forgotten before publications are evicted.
func TestIdleLogsAreForgottenBeforeHistory(t *testing.T) {
	o := memory.Options{Memory: 1 << 20, Limits: func(channel string) engine.Retention {
		return engine.Retention{Messages: map[bool]int{true: 100_000, false: -1}[channel == "news"]}
	}}
	inMemory(t, o, func(m *testEngine) {
		for i := range 200 {
			m.publish(fmt.Sprint("quiet-", i), "x")
		}
		if s := m.Stats(); s.Channels != 200 {
			t.Fatalf("%+v", s)
		}
		for i := range 100_000 {
			m.publish("news", "x")
			if s := m.Stats(); s.EvictedMemory > 0 {
				if s.Channels != 1 || s.Bytes > 1<<20 {
					t.Fatalf("after %d messages: %+v", i, s)
				}
				return
			}
		}
		t.Error("the ceiling was never reached")
	})
}

// A position on a channel without messages stays valid, even after the log is forgotten.
func TestPositionOnASilentChannel(t *testing.T) {
	inMemory(t, memory.Options{}, func(m *testEngine) {
		head, stop := m.follow("a", nobody)
		if got := m.kept("a", head); got != "" {
			t.Errorf("while the channel is followed: %s", got)
		}
		stop()
		if got := m.kept("a", head); got != "" {
			t.Errorf("after the channel was followed: %s", got)
		}
		<-time.After(2 * time.Hour) // the log is forgotten
		if got := m.kept("a", head); got != "" {
			t.Errorf("two hours later: %s", got)
		}
		again, stop := m.follow("a", nobody)
		defer stop()
		if again != head {
			t.Errorf("followed from %v, before from %v", again, head)
		}
		m.publish("a", "1")
		if got := m.kept("a", head); got != "1" {
			t.Errorf("since the head of the silent channel: %s", got)
		}
	})
}
