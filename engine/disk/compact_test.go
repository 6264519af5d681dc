package disk

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// compactSettings returns settings without a compactor of its own speed and time. Memory has room for
// few messages, so that most are read from disk.
func compactSettings(f *faultFS, o Options, segment int64) settings {
	o.Memory = cmp.Or(o.Memory, 16<<10)
	s := faultSettings(f, o, segment)
	s.compactPeriod, s.compactRate = 100*time.Hour, 0
	return s
}

func openFaulty(t *testing.T, s settings) *Engine {
	t.Helper()
	e, _, err := open(faultDir, s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// publishMany publishes n messages of different sizes on some channels, some with senders and keys.
func publishMany(t *testing.T, e *Engine, channels, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		m := engine.Message{Data: fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", i*7%120))}
		if i%3 == 0 {
			m.Key, m.Sender = fmt.Sprint("key", i), uint64(i)
		}
		if _, err := e.Publish(context.Background(), fmt.Sprint("channel", (i*i+i/3)%channels), m); err != nil {
			t.Fatal(err)
		}
	}
}

// compactFully rewrites all segments that need it.
func compactFully(t *testing.T, e *Engine) {
	t.Helper()
	for range 100 {
		before := e.counters.rewritten.Load()
		e.compactAll(context.Background(), false)
		if e.counters.rewritten.Load() == before {
			return
		}
	}
	t.Fatal("segments are rewritten again and again")
}

// surveyOf checks the files of a file system.
func surveyOf(t *testing.T, f *faultFS) Report {
	t.Helper()
	s := &survey{dir: faultDir, files: f}
	if err := s.read(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	return s.report
}

func equal(t *testing.T, what string, got, want history) {
	t.Helper()
	for name := range want {
		if g, w := fmt.Sprint(got[name]), fmt.Sprint(want[name]); g != w {
			t.Fatalf("%s: %s has\n%s\nwant\n%s", what, name, g, w)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d channels, want %d", what, len(got), len(want))
	}
}

// acceptedIn returns when the messages of each channel were accepted, by their places.
func acceptedIn(e *Engine) map[string][]clock.Mono {
	all := map[string][]clock.Mono{}
	e.table.Each(func(l *channellog.Log) bool {
		for i := range l.Store().Len() {
			all[l.Name()] = append(all[l.Name()], l.Store().Accepted(i))
		}
		return true
	})
	return all
}

func TestSortingKeepsMessages(t *testing.T) {
	f := newFaultFS(1)
	s := compactSettings(f, Options{KeyWindow: -1}, 4<<10)
	s.sortBytes = 1000 // several parts for each segment
	e := openFaulty(t, s)
	publishMany(t, e, 20, 0, 200)
	large := engine.Message{Data: bytes.Repeat([]byte("x"), 1<<sizeBits)} // its size is in no address
	if _, err := e.Publish(context.Background(), "channel1", large); err != nil {
		t.Fatal(err)
	}
	publishMany(t, e, 20, 200, 400)
	want := readEngine(t, e)
	accepted := acceptedIn(e)
	compactFully(t, e)
	for name, after := range acceptedIn(e) {
		if before := accepted[name]; len(after) != len(before) || after[0] < before[0] || after[len(after)-1] < before[len(before)-1] || after[0] > clock.Now() {
			t.Errorf("%s: accepted at %v, and at %v before it was sorted", name, after, before)
		}
	}
	all := e.allSegments()
	for _, s := range all[:len(all)-1] {
		if s.flags&flagRewritten == 0 || !s.hinted {
			t.Errorf("%s is not sorted, or has no hint", s.path)
		}
	}
	for _, s := range all[:len(all)-1] {
		if _, ok := readHintOf(t, f, s.path, 0); !ok {
			t.Errorf("the hint of %s is not used", s.path)
		}
	}
	equal(t, "after sorting", readEngine(t, e), want)
	publishMany(t, e, 20, 600, 100)
	want = readEngine(t, e)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if r := surveyOf(t, f); len(r.Damage) > 0 || r.Messages != want.messages() {
		t.Fatalf("%+v", r)
	}
	e = openFaulty(t, s)
	equal(t, "opened with hints", readEngine(t, e), want)
	for _, s := range e.allSegments()[:3] {
		if err := f.Remove(hintPath(s.path)); err != nil {
			t.Fatal(err)
		}
	}
	e.Close()
	e = openFaulty(t, s)
	defer e.Close()
	equal(t, "opened without hints", readEngine(t, e), want)
}

// Sorted segments lose space again when most of their messages have expired, and a segment without
// messages stays as an empty one.
func TestCompactingFreesSpace(t *testing.T) {
	f := newFaultFS(1)
	s := compactSettings(f, Options{KeyWindow: -1, Limits: func(channel string) engine.Retention {
		if strings.HasPrefix(channel, "short") {
			return engine.Retention{Messages: 1}
		}
		return engine.Retention{}
	}}, 4<<10)
	e := openFaulty(t, s)
	ctx := context.Background()
	publish := func(channel, data string) {
		t.Helper()
		if _, err := e.Publish(ctx, channel, engine.Message{Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	publish("long", "first")
	for i := range 1000 {
		publish(fmt.Sprint("short", i%20), fmt.Sprint(i, strings.Repeat("x", 100)))
		if i%200 == 0 {
			publish("long", fmt.Sprint(i))
		}
	}
	want := readEngine(t, e)
	before := e.Stats().Store.Bytes
	compactFully(t, e)
	if after := e.Stats().Store.Bytes; after > before/4 {
		t.Errorf("%d bytes, and %d before", after, before)
	}
	empty := 0
	all := e.allSegments()
	for _, s := range all[:len(all)-1] {
		if s.count.Load() == 0 {
			empty++
		}
	}
	if empty == 0 {
		t.Error("no segment is empty")
	}
	equal(t, "after compacting", readEngine(t, e), want)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if r := surveyOf(t, f); len(r.Damage) > 0 {
		t.Fatalf("%+v", r)
	}
	e = openFaulty(t, s)
	defer e.Close()
	equal(t, "after opening", readEngine(t, e), want)
}

// A channel whose last record was left out goes on after its last offset.
func TestCompactingKeepsHeadsOfEmptyChannels(t *testing.T) {
	f := newFaultFS(1)
	gone := false
	s := compactSettings(f, Options{KeyWindow: -1, Memory: 256 << 10, Limits: func(channel string) engine.Retention {
		if channel == "gone" {
			return engine.Retention{Age: time.Nanosecond}
		}
		return engine.Retention{}
	}}, 4<<10)
	e := openFaulty(t, s)
	ctx := context.Background()
	var last engine.Ack
	for range 30 {
		var err error
		if last, err = e.Publish(ctx, "gone", engine.Message{Data: bytes.Repeat([]byte("x"), 60)}); err != nil {
			t.Fatal(err)
		}
	}
	publishMany(t, e, 100, 0, 300) // fewer on each channel
	if _, err := e.Read(ctx, "gone", engine.Position{}, engine.Limit{Messages: 1}); err != nil {
		t.Fatal(err)
	}
	compactFully(t, e)
	if e.allSegments()[0].flags&flagRewritten == 0 {
		t.Fatal("nothing was rewritten")
	}
	e.Close()
	for _, i := range f.names {
		gone = gone || bytes.Contains(i.content, []byte("gone"))
	}
	if gone {
		t.Fatal("the channel still has records")
	}
	e = openFaulty(t, s)
	defer e.Close()
	ack, err := e.Publish(ctx, "gone", engine.Message{Data: []byte("1")})
	if err != nil || ack.Position.Offset <= last.Position.Offset {
		t.Fatalf("%v after %v: %v", ack.Position, last.Position, err)
	}
}

// A segment that was sorted is compacted later. Messages that are dropped while a segment is copied
// stay dropped.
func TestCompactingAgainAndBesideRetention(t *testing.T) {
	f := newFaultFS(1)
	s := compactSettings(f, Options{KeyWindow: -1, Messages: 12}, 4<<10)
	e := openFaulty(t, s)
	publishMany(t, e, 20, 0, 150)
	compactFully(t, e)
	old := e.allSegments()[1]
	if old.flags&flagRewritten == 0 {
		t.Fatal("it was not sorted")
	}
	publishMany(t, e, 20, 150, 40)
	logs, groups := e.liveIn(old)
	to, err := f.Open(old.path+newSuffix, true)
	if err != nil {
		t.Fatal(err)
	}
	next := &segment{header: old.header, file: to, path: old.path, sealed: true, newest: old.newest}
	next.span = old.end() - old.base
	sc, err := e.copyLive(context.Background(), old, next, old.path+newSuffix, groups)
	if err != nil {
		t.Fatal(err)
	}
	live := old.count.Load()
	publishMany(t, e, 20, 190, 30)
	if old.count.Load() == live || old.count.Load() == 0 {
		t.Fatalf("%d messages are kept, and %d before", old.count.Load(), live)
	}
	want := readEngine(t, e)
	if err := e.replace(old, next, old.path+newSuffix, logs, sc); err != nil {
		t.Fatal(err)
	}
	equal(t, "after dropping messages", readEngine(t, e), want)
	publishMany(t, e, 20, 220, 80)
	want = readEngine(t, e)
	before := e.counters.rewritten.Load()
	compactFully(t, e)
	if e.counters.rewritten.Load() == before {
		t.Error("nothing was compacted again")
	}
	equal(t, "compacted again", readEngine(t, e), want)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = openFaulty(t, s)
	defer e.Close()
	equal(t, "after opening", readEngine(t, e), want)
}

// Readers, publishers, retention and the compactor work at the same time.
func TestCompactingAmongOthers(t *testing.T) {
	f := newFaultFS(1)
	const channels = 12
	s := compactSettings(f, Options{KeyWindow: -1, Messages: 30, Memory: 256 << 10, Disk: 64 << 10}, 2<<10)
	e := openFaulty(t, s)
	ctx, stop := context.WithCancel(context.Background())
	var publishers, others sync.WaitGroup
	for p := range 3 {
		publishers.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(p)))
			for range 600 {
				channel := fmt.Sprint("c", r.IntN(channels))
				if _, err := e.Publish(context.Background(), channel, engine.Message{Data: fmt.Appendf(nil, "%s %s", channel, strings.Repeat("x", r.IntN(100)))}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for reader := range 2 {
		others.Go(func() {
			r := rand.New(rand.NewPCG(2, uint64(reader)))
			for ctx.Err() == nil {
				channel := fmt.Sprint("c", r.IntN(channels))
				h, err := e.Read(context.Background(), channel, engine.Position{}, engine.Limit{Messages: -30})
				if err != nil {
					t.Error(err)
					return
				}
				for i, p := range h.Publications {
					if !strings.HasPrefix(string(p.Data), channel+" ") || i > 0 && p.Offset != h.Publications[i-1].Offset+1 {
						t.Errorf("%s: %d %s", channel, p.Offset, p.Data)
						return
					}
				}
			}
		})
	}
	others.Go(func() {
		for ctx.Err() == nil {
			e.compactAll(ctx, false)
		}
	})
	publishers.Wait()
	stop()
	others.Wait()
	want := readEngine(t, e)
	if e.counters.rewritten.Load() == 0 {
		t.Error("nothing was rewritten")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if r := surveyOf(t, f); len(r.Damage) > 0 {
		t.Fatalf("%+v", r)
	}
	e = openFaulty(t, s)
	defer e.Close()
	equal(t, "after opening", readEngine(t, e), want)
}
