package memory_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

func TestMemoryLimitsOfAChannel(t *testing.T) {
	asked := map[string]int{}
	o := memory.Options{
		Messages: 3, Age: time.Minute,
		Limits: func(channel string) engine.Retention {
			asked[channel]++
			switch channel {
			case "one":
				return engine.Retention{Messages: 1}
			case "none":
				return engine.Retention{Messages: -1}
			case "small":
				return engine.Retention{Bytes: 4}
			case "old":
				return engine.Retention{Age: time.Hour}
			}
			return engine.Retention{}
		},
	}
	inMemory(t, o, func(m *testEngine) {
		channels := []string{"one", "none", "small", "old", "other"}
		for _, channel := range channels {
			for i := range 5 {
				m.publish(channel, fmt.Sprintf("%d%d", i, i))
			}
		}
		kept := func() (all []string) {
			for _, channel := range channels {
				all = append(all, m.kept(channel, engine.Position{}))
			}
			return all
		}
		if diff := cmp.Diff([]string{"44", "", "33 44", "22 33 44", "22 33 44"}, kept()); diff != "" {
			t.Error(diff)
		}
		<-time.After(2 * time.Minute)
		if diff := cmp.Diff([]string{"", "", "", "22 33 44", ""}, kept()); diff != "" {
			t.Error(diff)
		}
		for _, channel := range channels {
			if asked[channel] != 1 {
				t.Errorf("for %s, Limits was called %d times", channel, asked[channel])
			}
		}
	})
}

func TestMemoryCountsEvictionsByCause(t *testing.T) {
	inMemory(t, memory.Options{Messages: 20, Memory: 10_000, Age: time.Minute}, func(m *testEngine) {
		for i := range 30 {
			m.publish("a", fmt.Sprint(i))
		}
		m.publish("b", strings.Repeat("x", 9000)) // most of "a" must be evicted
		<-time.After(2 * time.Minute)
		got := m.Stats()
		got.Channels, got.Bytes = 0, 0
		if got.EvictedMemory < 10 || got.EvictedMemory > 20 {
			t.Errorf("%+v", got)
		}
		want := engine.Stats{Evicted: 31, EvictedBounds: 10, EvictedMemory: got.EvictedMemory, EvictedAge: 21 - got.EvictedMemory}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// clause 4.9
func TestMemoryPositionsOfForgottenLogs(t *testing.T) {
	inMemory(t, memory.Options{Age: time.Minute, Messages: 5}, func(m *testEngine) {
		var old []engine.Position
		var last engine.Position
		for i := range 20 {
			for j := range i + 1 {
				last = m.publish(fmt.Sprint(i), fmt.Sprint(j))
			}
			old = append(old, last)
		}
		never, err := m.Read(context.Background(), "never", engine.Position{}, engine.Limit{})
		if err != nil {
			t.Fatal(err)
		}
		check := func(when string) {
			for i, p := range old {
				if got := m.kept(fmt.Sprint(i), p); got != "" {
					t.Errorf("%s: channel %d since %v: %s", when, i, p, got)
				}
			}
			if got := m.kept("never", never.Head); got != "" {
				t.Errorf("%s: never: %s", when, got)
			}
		}
		check("at once")
		<-time.After(59 * time.Minute) // the messages have expired, the logs remain
		check("after an hour")
		if n := m.Stats().Channels; n != 20 {
			t.Errorf("after an hour: %d logs", n)
		}
		<-time.After(10 * time.Minute)
		if n := m.Stats().Channels; n != 0 {
			t.Errorf("after 69 minutes: %d logs", n)
		}
		// The logs are forgotten. A position at the head of a forgotten log is either still valid
		// or expired: chance decides which logs share a place in retired.
		known := 0
		for i, p := range old {
			switch got := m.kept(fmt.Sprint(i), p); got {
			case "":
				known++
			case engine.ErrExpired.Error():
			default:
				t.Errorf("channel %d since %v: %s", i, p, got)
			}
		}
		if known < 15 {
			t.Errorf("only %d of 20 positions are still valid", known)
		}
		// The new log of each channel does not mistake an old position for a new one.
		for i, p := range old {
			name := fmt.Sprint(i)
			first := m.publish(name, "new")
			if first.Offset <= p.Offset {
				t.Errorf("%s: %v after %v", name, first, p)
			}
			if got := m.kept(name, p); got != "new" && got != engine.ErrExpired.Error() {
				t.Errorf("%s since %v: %s", name, p, got)
			}
			if got := m.kept(name, first); got != "" {
				t.Errorf("%s since %v: %s", name, first, got)
			}
		}
		for i, p := range old { // the logs are forgotten again, and one message was missed
			old[i].Offset = p.Offset - 1
		}
		<-time.After(2 * time.Hour)
		for i, p := range old {
			if got := m.kept(fmt.Sprint(i), p); got != engine.ErrExpired.Error() {
				t.Errorf("%d since %v: %s", i, p, got)
			}
		}
	})
}

// The ceiling holds for any number of channels, also between the visits of the janitor.
func TestMemoryCeilingHoldsForLogs(t *testing.T) {
	for name, messages := range map[string]int{"with history": 10, "without": -1} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, memory.Options{Memory: 100_000, Messages: messages}, func(m *testEngine) {
				for i := range 5000 {
					m.publish(fmt.Sprint("channel-", i), "x")
					if used := m.Stats().Bytes; used > 100_000 {
						t.Fatalf("%d bytes after %d channels", used, i)
					}
				}
				m.want("channel-4999", engine.Position{}, map[int]string{10: "x", -1: ""}[messages])
			})
		})
	}
}

func TestMemoryReadsTheNewest(t *testing.T) {
	inMemory(t, memory.Options{}, func(m *testEngine) {
		for i := range 5 {
			m.publish("a", fmt.Sprint(i))
		}
		since := engine.Position{Epoch: m.epoch(), Offset: 2}
		for limit, want := range map[int]string{-1: "4", -2: "3 4", -3: "2 3 4", -4: "2 3 4", math.MinInt: "2 3 4", 1: "2", math.MaxInt: "2 3 4"} {
			h, err := m.Read(context.Background(), "a", since, engine.Limit{Messages: limit})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range h.Publications {
				got = append(got, string(p.Data))
			}
			if strings.Join(got, " ") != want {
				t.Errorf("limit %d: got %q, want %q", limit, got, want)
			}
		}
		if _, err := m.Read(context.Background(), "a", engine.Position{Epoch: 1, Offset: 1}, engine.Limit{Messages: -1}); !errors.Is(err, engine.ErrUnknownEpoch) {
			t.Error(err)
		}
	})
}

func TestMemoryListsChannels(t *testing.T) {
	inMemory(t, memory.Options{Age: time.Minute}, func(m *testEngine) {
		list := func() string {
			names, err := m.ListChannels(context.Background(), "c.", "", 10)
			if err != nil {
				t.Error(err)
			}
			return fmt.Sprint(names)
		}
		m.publish("c.1", "x")
		m.publish("other", "x")
		m.wantKey("c.3", "x", "k", "published 1")
		_, stop, err := m.Follow(context.Background(), "c.2", boreastest.DeliverFunc(nobody))
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		if got := list(); got != "[c.1 c.3]" { // c.2 is only followed: the hub lists it
			t.Error(got)
		}
		if names, err := m.ListChannels(context.Background(), "", "c.1", 1); fmt.Sprint(names, err) != "[c.3] <nil>" {
			t.Error(names, err)
		}
		<-time.After(time.Minute + 1)
		if got := list(); got != "[]" {
			t.Error(got)
		}
	})
}

// The time in the evictor's heap may be too early, so evict must check it before dropping.
func TestMemoryCeilingTakesTheOldest(t *testing.T) {
	o := memory.Options{Memory: 2000, Limits: func(channel string) engine.Retention {
		return engine.Retention{Messages: map[string]int{"a": 2}[channel]}
	}}
	inMemory(t, o, func(m *testEngine) {
		publish := func(channel, data string) {
			<-time.After(time.Second)
			m.publish(channel, data)
		}
		publish("a", "1")
		publish("b", "2")
		publish("b", "3")
		publish("a", "4")
		publish("a", "5") // drops the oldest message of a, whose time the evictor still has
		publish("c", strings.Repeat("x", 2000-3*257-4*73-72+1))
		m.want("b", engine.Position{}, "3")
		m.want("a", engine.Position{}, "4 5")
	})
}

func TestMemoryRemembersALogSinceItsLastMessage(t *testing.T) {
	inMemory(t, memory.Options{Messages: -1}, func(m *testEngine) {
		for range 2 {
			m.publish("a", "1")
			<-time.After(50 * time.Minute)
		}
		if n := m.Stats().Channels; n != 1 {
			t.Errorf("%d logs", n)
		}
		<-time.After(11 * time.Minute)
		if n := m.Stats().Channels; n != 0 {
			t.Errorf("%d logs", n)
		}
	})
}

// Some of these channels share a place in retired.
func TestMemoryPositionOfForgottenLogIsNeverAhead(t *testing.T) {
	inMemory(t, memory.Options{}, func(m *testEngine) {
		last := map[string]engine.Position{}
		for i := range 2000 {
			name := fmt.Sprint(i)
			for range i%3 + 1 {
				last[name] = m.publish(name, "x")
			}
		}
		<-time.After(2 * time.Hour)
		known := 0
		for name, p := range last {
			switch got := m.kept(name, p); got {
			case "":
				known++
			case engine.ErrExpired.Error():
			default:
				t.Fatalf("%s since %v: %s", name, p, got)
			}
		}
		if known < 1500 {
			t.Errorf("only %d of 2,000 positions are still valid", known)
		}
	})
}

// Logs that are forgotten while others publish to them never assign an offset twice.
func TestMemoryForgetsWhilePublishing(t *testing.T) {
	m := memory.New(memory.Options{Memory: 1, Messages: -1, Limits: func(channel string) engine.Retention {
		runtime.Gosched()
		return engine.Retention{}
	}})
	defer m.Close()
	const publishers, each = 8, 5000
	var offsets [publishers][]uint64
	var wg sync.WaitGroup
	for i := range publishers {
		wg.Go(func() {
			for range each {
				ack, err := m.Publish(context.Background(), "a", engine.Message{Data: []byte("x")})
				if err != nil {
					t.Error(err)
				}
				offsets[i] = append(offsets[i], ack.Position.Offset)
			}
		})
	}
	wg.Wait()
	all := slices.Concat(offsets[:]...)
	slices.Sort(all)
	for i, offset := range all {
		if offset != uint64(i+1) {
			t.Fatalf("offset %d, want %d", offset, i+1)
		}
	}
	if s := m.Stats(); s.Channels != 0 || s.Bytes != 0 || s.Publications != 0 {
		t.Errorf("%+v", s)
	}
}

// The engine's estimate is close to the memory used, and returns to 0.
func TestMemoryEstimatesItsSize(t *testing.T) {
	inMemory(t, memory.Options{Age: time.Minute}, func(m *testEngine) {
		before, _ := footprint()
		const channels, each = 10_000, 10
		data := strings.Repeat("x", 100)
		for range each {
			for i := range channels {
				m.publish(fmt.Sprint("channel-", i), data)
			}
		}
		heap, _ := footprint()
		took, counted := float64(heap-before)/(channels*each), float64(m.Stats().Bytes)/(channels*each)
		if took > 230 || took > 1.1*counted || took < 0.8*counted {
			t.Errorf("a message of 100 bytes took %.0f bytes, the estimate is %.0f", took, counted)
		}
		<-time.After(70 * time.Minute)
		after, _ := footprint()
		if s := m.Stats(); s.Bytes != 0 || after-before > 100<<10 {
			t.Errorf("%d bytes are still in use, the estimate is %d", after-before, s.Bytes)
		}
	})
}

func TestEmptyLogsDoNotEvictHistory(t *testing.T) {
	inMemory(t, memory.Options{Memory: 1 << 20}, func(m *testEngine) {
		for i := range 6000 {
			m.publish(fmt.Sprint("once-", i), "x")
			<-time.After(500 * time.Millisecond)
		}
		data := strings.Repeat("y", 100)
		for range 1000 {
			m.publish("busy", data)
		}
		if got := len(strings.Fields(m.kept("busy", engine.Position{}))); got != 1000 {
			t.Errorf("%d of 1,000 messages are kept", got)
		}
	})
}
