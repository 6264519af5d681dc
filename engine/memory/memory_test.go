package memory_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

func TestMemoryIsAnEngine(t *testing.T) {
	boreastest.TestEngine(t, func(*testing.T) engine.Engine { return memory.New(memory.Options{}) })
}

// inMemory runs a test against an engine in a synctest bubble.
func inMemory(t *testing.T, o memory.Options, test func(m *testEngine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &testEngine{t, memory.New(o)}
		defer m.Close()
		test(m)
	})
}

type testEngine struct {
	*testing.T
	*memory.Engine
}

func (m *testEngine) publish(channel, data string) engine.Position {
	m.Helper()
	ack, err := m.Publish(context.Background(), channel, engine.Message{Data: []byte(data)})
	if err != nil {
		m.Fatal(err)
	}
	return ack.Position
}

// kept returns the messages that the engine keeps of the channel after the position.
func (m *testEngine) kept(channel string, since engine.Position) string {
	h, err := m.Read(context.Background(), channel, since, engine.Limit{Messages: 1000})
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, p := range h.Publications {
		all = append(all, string(p.Data))
	}
	return strings.Join(all, " ")
}

func (m *testEngine) want(channel string, since engine.Position, want string) {
	m.Helper()
	if got := m.kept(channel, since); got != want {
		m.Errorf("%s since %v: got %q, want %q", channel, since, got, want)
	}
}

func TestMemoryBoundsByCount(t *testing.T) {
	inMemory(t, memory.Options{Messages: 3}, func(m *testEngine) {
		p1 := m.publish("a", "1")
		p2 := m.publish("a", "2")
		for i := 3; i <= 5; i++ {
			m.publish("a", fmt.Sprint(i))
		}
		m.want("a", engine.Position{}, "3 4 5")
		m.want("a", p2, "3 4 5") // no later message is lost
		m.want("a", p1, engine.ErrExpired.Error())
		if s := m.Stats(); s.Publications != 3 || s.Evicted != 2 || s.EvictedBounds != 2 || s.Channels != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestMemoryWithoutHistory(t *testing.T) {
	inMemory(t, memory.Options{Messages: -1}, func(m *testEngine) {
		start := m.publish("a", "1")
		m.want("a", start, "")
		p := m.publish("a", "2")
		m.want("a", start, engine.ErrExpired.Error())
		m.want("a", p, "")
	})
}

func TestMemoryBoundsByBytes(t *testing.T) {
	inMemory(t, memory.Options{Bytes: 10}, func(m *testEngine) {
		m.publish("a", "1234")
		m.publish("a", "5678")
		m.publish("a", "90")
		m.want("a", engine.Position{}, "1234 5678 90")
		m.publish("a", "x")
		m.want("a", engine.Position{}, "5678 90 x")
		m.publish("a", "more than ten bytes") // the newest publication is kept whatever its size
		m.want("a", engine.Position{}, "more than ten bytes")
	})
}

func TestMemoryBoundsByAge(t *testing.T) {
	inMemory(t, memory.Options{Age: time.Minute}, func(m *testEngine) {
		p1 := m.publish("a", "1")
		<-time.After(50 * time.Second)
		p2 := m.publish("a", "2")
		<-time.After(20 * time.Second)
		m.want("a", engine.Position{}, "2")
		m.want("a", p1, "2")
		<-time.After(time.Minute)
		m.want("a", p2, "") // the engine still knows that there is nothing new
		m.want("a", p1, engine.ErrExpired.Error())
	})
}

func TestMemoryFreesExpiredPublications(t *testing.T) {
	inMemory(t, memory.Options{Age: time.Minute}, func(m *testEngine) {
		for i := range 1000 {
			m.publish(fmt.Sprint(i), "x")
		}
		last := m.publish("a", "1")
		<-time.After(2 * time.Minute)
		if s := m.Stats(); s.Publications != 0 || s.Channels != 1001 || s.Evicted != 1001 {
			t.Errorf("after two minutes: %+v", s)
		}
		m.want("a", last, "")
		<-time.After(2 * time.Hour)
		if s := m.Stats(); s.Channels != 0 || s.Bytes != 0 {
			t.Errorf("after two hours: %+v", s)
		}
		// A position of the forgotten log is never mistaken for one of the new log.
		m.publish("b", "1")
		m.publish("a", "2")
		m.want("a", engine.Position{Epoch: last.Epoch}, engine.ErrExpired.Error())
		m.want("a", engine.Position{}, "2")
	})
}

func TestMemoryCeiling(t *testing.T) {
	const ceiling = 100_000
	inMemory(t, memory.Options{Memory: ceiling}, func(m *testEngine) {
		data := strings.Repeat("x", 1000)
		first := m.publish("first", data)
		for i := range 1000 {
			<-time.After(time.Millisecond)
			m.publish(fmt.Sprint("c", i%50), data)
			if used := m.Stats().Bytes; used > ceiling {
				t.Fatalf("after %d: %d bytes", i, used)
			}
		}
		m.want("first", engine.Position{Epoch: first.Epoch}, engine.ErrExpired.Error())
		// The newest publications of all are kept.
		kept := 0
		for i := range 50 {
			kept += len(strings.Fields(m.kept(fmt.Sprint("c", i), engine.Position{})))
		}
		if s := m.Stats(); int64(kept) != s.Publications || kept < 60 {
			t.Errorf("kept %d, stats %+v", kept, s)
		}
		if m.kept("c49", engine.Position{}) == "" {
			m.Error("the newest publication is gone")
		}
	})
}

func TestPositions(t *testing.T) {
	for _, p := range []engine.Position{{Epoch: 1}, {Epoch: 35, Offset: 36}, {Epoch: 1<<64 - 1, Offset: 1<<64 - 1}} {
		got, err := engine.ParsePosition(p.String())
		if err != nil || got != p {
			t.Errorf("%v: got %v, %v", p, got, err)
		}
	}
	for _, s := range []string{"", "-", "1", "1-", "-1", "01-1", "1-1-1", "A-1", "1- 1", "+1-1", "1-1\n", "zzzzzzzzzzzzzzzzz-1"} {
		if p, err := engine.ParsePosition(s); err == nil {
			t.Errorf("ParsePosition(%q) = %v, want an error", s, p)
		}
	}
}

func TestValidChannel(t *testing.T) {
	good := []string{"a", "ch-1", "a b", "a/b", "chat.*", "日本", strings.Repeat("x", 255), "\u2028", "😀"}
	bad := []string{"", strings.Repeat("x", 256), "\x00", "a\tb", "a\x7f", "\u0085", "\xff", "\xed\xa0\x80"}
	for _, name := range good {
		if err := access.ValidChannel(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range bad {
		if err := access.ValidChannel(name); err == nil {
			t.Errorf("%q: want an error", name)
		}
	}
}

func FuzzPosition(f *testing.F) {
	f.Add("1-1")
	f.Add("zz-0")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := engine.ParsePosition(s)
		if err == nil && p.String() != s {
			t.Errorf("ParsePosition(%q) = %v", s, p)
		}
	})
}
