package disk

import (
	"bytes"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// Publications in memory are freed before the ceiling for memory drops any from the disk, also while
// a batch is committed.
func TestMemoryIsFreedBeforeSegments(t *testing.T) {
	const n = 3000
	e := mustOpen(t, newFaultFS(1), Options{Memory: 1 << 20}, 64<<10)
	defer e.Close()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := e.tidy(); err != nil {
				t.Error(err)
			}
		}
	}()
	for i := range n / 100 {
		var items []engine.Item
		for j := range 100 {
			items = append(items, engine.Item{Channel: "a", Message: engine.Message{Data: fmt.Appendf(nil, "%d %01000d", i, j)}})
		}
		for _, r := range e.PublishMany(t.Context(), items) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
	}
	close(stop)
	<-stopped
	if s := e.Stats(); s.Publications != n || s.Evicted != 0 {
		t.Errorf("%d of %d messages are kept, %d were evicted", s.Publications, n, s.Evicted)
	}
}

// fillSegments publishes on a channel until there are n segments.
func fillSegments(t *testing.T, e *Engine, n int) {
	t.Helper()
	for len(e.allSegments()) < n {
		if _, err := e.Publish(t.Context(), "a", engine.Message{Data: fmt.Appendf(nil, "%0500d", 0)}); err != nil {
			t.Fatal(err)
		}
	}
}

// A file system that does not count the space of removed files as free at once does not cost more
// than the space that is needed.
func TestSpaceThatIsFreedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const segment = 2 << 10
		fsys := newFaultFS(1)
		fsys.capacity = 1 << 20
		e := mustOpen(t, fsys, Options{DiskFree: 100 << 10}, segment)
		defer e.Close()
		fillSegments(t, e, 20)
		fsys.mu.Lock()
		fsys.freeLater = true
		fsys.capacity = fsys.used() + 100<<10 - 3*segment // three segments must go
		fsys.mu.Unlock()
		for range 4 {
			<-time.After(keepPeriod)
			synctest.Wait()
		}
		if n := len(e.allSegments()); n < 16 || n > 17 {
			t.Errorf("%d of 20 segments are left, want 16 or 17", n)
		}
	})
}

// A directory may be moved to a file system that cannot reserve space.
func TestMovedToASimplerFileSystem(t *testing.T) {
	fsys := newFaultFS(1)
	e := mustOpen(t, fsys, Options{}, 4<<10)
	for life := range 3 {
		if _, err := e.Publish(t.Context(), "a", engine.Message{Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		if life%2 == 0 {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
		fsys.cannotAlloc = true
		fsys = fsys.reboot()
		e.Close() //nolint:errcheck // it is closed, or has no disk
		e = mustOpen(t, fsys, Options{}, 4<<10)
	}
	defer e.Close()
	if h, err := e.Read(t.Context(), "a", engine.Position{}, engine.Limit{Messages: 10}); err != nil || len(h.Publications) != 3 {
		t.Errorf("%d messages, %v; want 3", len(h.Publications), err)
	}
}

// The statistics count what this process has dropped, and why.
func TestStatsAfterReopening(t *testing.T) {
	fsys := newFaultFS(1)
	o := Options{Messages: 10}
	e := mustOpen(t, fsys, o, 64<<10)
	publish := func(n int) {
		for i := range n {
			if _, err := e.Publish(t.Context(), "a", engine.Message{Data: fmt.Append(nil, i), Key: fmt.Sprint(i, n)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := func(when string, evicted uint64, keys int64) {
		t.Helper()
		s := e.Stats()
		s.Bytes, s.Store = 0, nil
		if want := (engine.Stats{Channels: 1, Publications: 10, Keys: keys, Evicted: evicted, EvictedBounds: evicted}); s != want {
			t.Errorf("%s: %+v, want %+v", when, s, want)
		}
	}
	publish(30)
	want("at first", 20, 30)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = mustOpen(t, fsys, o, 64<<10)
	defer e.Close()
	want("opened again", 0, 30)
	publish(3)
	want("after three more", 3, 33)
}

// Messages that are refused leave no logs behind.
func TestRefusedChannelsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := newFaultFS(1)
		e := mustOpen(t, fsys, Options{}, 64<<10)
		defer e.Close()
		fsys.inject("sync", errPowerLost, 0, 1)
		for i := range 1000 {
			if _, err := e.Publish(t.Context(), fmt.Sprint("c", i), engine.Message{Data: []byte("1")}); err == nil {
				t.Fatal("it was published")
			}
		}
		if n := e.Stats().Channels; n != 1000 {
			t.Errorf("%d channels count, want 1000", n)
		}
		<-time.After(2 * time.Hour)
		if n := e.Stats().Channels; n != 0 {
			t.Errorf("%d channels are left after two hours", n)
		}
	})
}

// The last message of a channel may disappear when its segment is compacted. Its offsets are not used
// again.
func TestCompactionKeepsOffsets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := newFaultFS(1)
		o := Options{KeyWindow: -1, Limits: func(channel string) engine.Retention {
			if channel == "short" {
				return engine.Retention{Age: time.Second}
			}
			return engine.Retention{}
		}}
		set := faultSettings(fsys, o, 8<<10)
		e, _, err := open(faultDir, set)
		if err != nil {
			t.Fatal(err)
		}
		publish := func(channel string) uint64 {
			ack, err := e.Publish(t.Context(), channel, engine.Message{Data: fmt.Appendf(nil, "%0200d", 0)})
			if err != nil {
				t.Fatal(err)
			}
			return ack.Position.Offset
		}
		publish("kept")
		for range 32 { // most of the first segment
			publish("short")
		}
		fillSegments(t, e, 3)
		<-time.After(2 * time.Minute)
		if s := e.allSegments()[0]; s.number != 1 || s.flags&flagRewritten == 0 {
			t.Fatalf("segment %d has the flags %d, and was not rewritten", s.number, s.flags)
		}
		set.files = fsys.reboot()
		e.Close() //nolint:errcheck // the power is lost
		if e, _, err = open(faultDir, set); err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if offset := publish("short"); offset <= 32 {
			t.Errorf("offset %d is used again", offset)
		}
	})
}

// A segment that may be removed has no messages that are on their way to the index.
func TestSealedSegmentIsCommitted(t *testing.T) {
	fsys := newFaultFS(1)
	e := mustOpen(t, fsys, Options{KeyWindow: -1}, 2<<10)
	var delivered atomic.Bool
	_, stop, err := e.Follow(t.Context(), "a", boreastest.DeliverFunc(func(*engine.Publication) {
		for range 1000 { // the writer could do a lot meanwhile
			runtime.Gosched()
		}
		delivered.Store(true)
	}))
	if err != nil {
		t.Fatal(err)
	}
	var waiters []waiter
	for _, channel := range []string{"a", "b"} { // each message fills a segment
		w, err := e.submit(t.Context(), channel, engine.Message{Data: fmt.Appendf(nil, "%03000d", 0)})
		if err != nil {
			t.Fatal(err)
		}
		if waiters = append(waiters, w); channel == "b" {
			break
		}
		<-w.batch.taken
		fsys.mu.Lock()
		fsys.onSegment = func() {
			if !delivered.Load() {
				t.Error("the next segment is created before the message of the first one is delivered")
			}
		}
		fsys.mu.Unlock()
	}
	for _, w := range waiters {
		if _, err := w.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// A channel whose rule says memory for some time, and whose messages on disk are removed meanwhile,
// does not use its offsets again.
func TestOffsetsAfterARuleOfMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := newFaultFS(1)
		o := Options{KeyWindow: -1}
		e := mustOpen(t, fsys, o, 2<<10)
		fillSegments(t, e, 3)
		if _, err := e.Publish(t.Context(), "a", engine.Message{Data: fmt.Appendf(nil, "%03000d", 0)}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Publish(t.Context(), "b", engine.Message{Data: []byte("0")}); err != nil {
			t.Fatal(err)
		}
		h, err := e.Read(t.Context(), "a", engine.Position{}, engine.Limit{})
		if err != nil {
			t.Fatal(err)
		}
		for _, inMemory := range []bool{true, false} {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			o.InMemory = func(channel string) bool { return inMemory && channel == "a" }
			e = mustOpen(t, fsys, o, 2<<10)
			<-time.After(time.Minute)
		}
		defer e.Close()
		if all := e.allSegments(); all[0].number < 4 {
			t.Fatalf("the first segment is %d, so the messages are still there", all[0].number)
		}
		ack, err := e.Publish(t.Context(), "a", engine.Message{Data: []byte("1")})
		if err != nil || ack.Position.Offset <= h.Head.Offset {
			t.Errorf("%+v, %v; the head was %v", ack, err, h.Head)
		}
	})
}

// What is left of a torn batch is overwritten when the log is opened.
func TestTornEndIsCut(t *testing.T) {
	for _, cannotAlloc := range []bool{false, true} {
		fsys := newFaultFS(1)
		fsys.cannotAlloc = cannotAlloc
		e := mustOpen(t, fsys, Options{}, 8<<10)
		if _, err := e.Publish(t.Context(), "a", engine.Message{Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		name := segmentPath(faultDir, 1)
		end := int(e.synced.Load()) // the first segment begins at 0
		killed := fsys.clone()
		killed.cannotAlloc = cannotAlloc
		e.Close() //nolint:errcheck // its files are not used any more
		i := killed.names[name]
		i.content = append(i.content[:end], append(bytes.Repeat([]byte{0xff}, 3000), i.content[min(end+3000, len(i.content)):]...)...)
		e, opened, err := open(faultDir, faultSettings(killed, Options{}, 8<<10))
		if err != nil || opened.Cut != 3000 {
			t.Fatalf("%+v, %v", opened, err)
		}
		if rest := bytes.Trim(killed.names[name].content[end:], "\x00"); len(rest) > 0 {
			t.Errorf("%d bytes of the torn end are left", len(rest))
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
