package server

import (
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

func TestPercentFor(t *testing.T) {
	for used, want := range map[uint64]int{0: 400, 1 << 20: 400, 24 << 20: 400, 48 << 20: 200, 96 << 20: 100, 10 << 30: 100} {
		if got := percentFor(used); got != want {
			t.Errorf("%d bytes in use: %d, want %d", used, got, want)
		}
	}
}

func TestGOGCIsNotChanged(t *testing.T) {
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "77")
	newTrimmer(nil).setPercent(400)
	if got := debug.SetGCPercent(77); got != 77 {
		t.Errorf("the GC percentage is %d", got)
	}
}

const mib = 1 << 20

// TestTrimmer measures twice: before is the state at the last collection, and now is the state some
// time later.
func TestTrimmer(t *testing.T) {
	type moment struct {
		memoryUse
		footprint int64
	}
	at := func(objects, live, footprint uint64) moment {
		return moment{memoryUse{cycles: 1, objects: objects * mib, live: live * mib, stacks: 10 * mib}, int64(footprint * mib)}
	}
	for name, c := range map[string]struct {
		before, now moment
		after       time.Duration
		want        bool
	}{
		"nothing died":              {at(100, 100, 80), at(100, 100, 80), time.Minute, false},
		"all is garbage":            {at(100, 100, 80), at(100, 100, 5), time.Minute, true},
		"all is garbage, too early": {at(100, 100, 80), at(100, 100, 5), time.Second, false},
		"large heap":                {at(1200, 1200, 1100), at(1200, 1200, 10), 24 * time.Second, true},
		"large heap, too early":     {at(1200, 1200, 1100), at(1200, 1200, 10), 22 * time.Second, false},
		"small heap":                {at(12, 12, 10), at(12, 12, 3), time.Minute, false},
		"little of a large heap":    {at(1200, 1200, 1100), at(1200, 1200, 900), time.Minute, false},
		"new garbage":               {at(100, 100, 80), at(200, 100, 80), time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrimmer(nil)
			start := clock.Now()
			if tr.due(c.before.memoryUse, c.before.footprint, start) {
				t.Error("due returned true at once")
			}
			if got := tr.due(c.now.memoryUse, c.now.footprint, start.Add(c.after)); got != c.want {
				t.Errorf("due returned %v", got)
			}
		})
	}
}

func TestTrimmerAfterFreePages(t *testing.T) {
	for _, c := range []struct {
		free, objects, live, stacks uint64
		want                        bool
	}{
		{0, 20 * mib, 20 * mib, 30 * mib, false},
		{30 * mib, 20 * mib, 20 * mib, 30 * mib, true},    // free pages
		{0, 50 * mib, 20 * mib, 30 * mib, true},           // dead objects
		{7 * mib, 4 * mib, 4 * mib, 1 * mib, false},       // too little to be worth a collection
		{60 * mib, 200 * mib, 200 * mib, 50 * mib, false}, // too little compared with the memory in use
		{30 * mib, 20 * mib, 25 * mib, 30 * mib, true},    // fewer objects than the last collection found
	} {
		m := memoryUse{free: c.free, objects: c.objects, live: c.live, stacks: c.stacks}
		if got := newTrimmer(nil).due(m, 0, clock.Now()); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

// TestTrimmerAfterBusyPeriod: after a busy period there is one collection, regardless of the footprint.
func TestTrimmerAfterBusyPeriod(t *testing.T) {
	tr := newTrimmer(nil)
	now := clock.Now()
	m := memoryUse{cycles: 1, objects: 50 * mib, live: 50 * mib}
	look := func(after time.Duration, allocated uint64, want bool) {
		t.Helper()
		now = now.Add(after)
		m.allocated += allocated
		if got := tr.due(m, 0, now); got != want {
			t.Errorf("due returned %v", got)
		}
	}
	look(0, 0, false)
	look(time.Minute, trimQuiet, false) // not quiet
	look(time.Second, 100, true)        // now it is quiet
	m.cycles++
	look(time.Second, 100, false)
	look(time.Hour, 100, false) // one collection is enough
}

// TestMemoryOfEndedSessionsIsReleased releases memory that was alive at the last collection.
func TestMemoryOfEndedSessionsIsReleased(t *testing.T) {
	var held atomic.Pointer[[]byte]
	big := make([]byte, 64*mib)
	held.Store(&big)
	tr := newTrimmer(func() int64 {
		if p := held.Load(); p != nil {
			return int64(len(*p))
		}
		return 0
	})
	debug.FreeOSMemory()
	now := clock.Now()
	tr.due(tr.measure(), tr.footprint(), now)
	big = nil
	held.Store(nil)
	before := tr.measure()
	if before.objects < 64*mib {
		t.Fatalf("%d bytes are in use", before.objects)
	}
	if !tr.due(before, tr.footprint(), now.Add(time.Minute)) {
		t.Fatal("due returned false")
	}
	debug.FreeOSMemory()
	if after := tr.measure(); after.objects+32*mib > before.objects {
		t.Errorf("%d bytes are in use, want at least 32 MiB less than %d", after.objects, before.objects)
	}
}
