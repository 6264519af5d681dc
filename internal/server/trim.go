package server

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/boreas-pubsub/boreas/internal/clock"
)

const (
	// trimPeriod is how often the heap is looked at.
	trimPeriod = 500 * time.Millisecond

	// trimQuiet is how much may be allocated in a period that counts as quiet.
	trimQuiet = 512 << 10

	// trimWorth is how much free memory is worth a collection of everything, and
	// trimShare which part of what is in use it must be besides.
	trimWorth = 8 << 20
	trimShare = 4

	// trimPause is the minimum time between a collection and one that the trimmer starts because it
	// expects much garbage. It is longer for a large heap, by a second for each trimPace bytes, so
	// that the collections take a few hundredths of a processor.
	trimPause = 5 * time.Second
	trimPace  = 64 << 20

	// smallHeap is how much may be allocated between two collections however
	// little is in use: collecting a small heap often costs more than it saves.
	// maxPercent bounds what that means for the very smallest.
	smallHeap  = 96 << 20
	maxPercent = 400
)

// trimmer adapts Go's memory management to a server with many connections.
//
// It returns memory to the system after many clients have connected. Setting up a connection
// takes many times the memory that the connection keeps later, and Go's runtime retains that
// memory for reuse: with many thousands of idle subscribers that would be a third of the total.
// The trimmer waits for a quiet period, because a full collection costs about as much as a
// thousand connections.
//
// The runtime finds garbage only at its next collection, which without allocations is two
// minutes away. The trimmer starts one if the server reports that it holds much less, or once
// after each busy period.
//
// It also lets a small heap grow more before a collection, because unused memory is returned
// anyway. If the operator sets GOGC, that value applies instead.
type trimmer struct {
	footprint func() int64 // the server's own estimate of its memory in use, in bytes
	samples   []metrics.Sample
	percent   int // the value passed to SetGCPercent; 0 leaves it unchanged

	allocated uint64     // until the last look
	cycles    uint64     // collections until the last look
	collected clock.Mono // when the last of them was seen
	held      int64      // the footprint at that time
	busy      bool       // it was busy at that time or later
}

func newTrimmer(footprint func() int64) *trimmer {
	t := &trimmer{footprint: footprint, samples: []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}}
	if _, set := os.LookupEnv("GOGC"); !set {
		t.percent = 100
	}
	return t
}

// run looks once a period, until ctx ends.
func (t *trimmer) run(ctx context.Context) {
	tick := time.NewTicker(trimPeriod)
	defer tick.Stop()
	defer t.setPercent(100)
	for {
		m := t.measure()
		t.setPercent(percentFor(m.live + m.stacks))
		if t.due(m, t.footprint(), clock.Now()) {
			debug.FreeOSMemory()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// memoryUse is the runtime's memory statistics, in bytes.
type memoryUse struct {
	allocated, cycles uint64 // since the process began
	free              uint64 // pages
	objects           uint64 // including those that have died since the last collection
	live              uint64 // that the last collection found alive
	stacks            uint64
}

func (t *trimmer) measure() memoryUse {
	metrics.Read(t.samples)
	n := func(i int) uint64 { return t.samples[i].Value.Uint64() }
	return memoryUse{allocated: n(0), free: n(1), objects: n(2), stacks: n(3), live: n(4), cycles: n(5)}
}

// due records the current state and reports whether to collect everything and return the free
// memory.
func (t *trimmer) due(m memoryUse, footprint int64, now clock.Mono) bool {
	quiet := m.allocated-t.allocated < trimQuiet
	t.allocated = m.allocated
	if m.cycles != t.cycles {
		t.cycles, t.collected, t.held, t.busy = m.cycles, now, footprint, false
	}
	t.busy = t.busy || !quiet
	t.held = max(t.held, footprint) // newer objects are in m.objects even if they are dead
	if quiet && worthTrimming(m.free+m.objects-min(m.live, m.objects), m) {
		return true
	}
	pause := trimPause + time.Duration(m.live/trimPace)*time.Second
	if now.Sub(t.collected) < pause {
		return false
	}
	died := uint64(max(t.held-footprint, 0))
	return worthTrimming(died, m) || quiet && t.busy && m.objects > trimWorth
}

// worthTrimming reports whether the garbage is large enough compared to the memory in use.
func worthTrimming(garbage uint64, m memoryUse) bool {
	return garbage > trimWorth && garbage > (m.objects+m.stacks)/trimShare
}

// percentFor returns the GC percentage for so many bytes in use.
func percentFor(used uint64) int {
	return int(min(max(smallHeap*100/max(used, 1), 100), maxPercent))
}

// setPercent sets the GC percentage if it is ours to set and differs by more than
// a little: setting it stops the world for some microseconds.
func (t *trimmer) setPercent(percent int) {
	const little = 10
	if t.percent == 0 || percent/little == t.percent/little {
		return
	}
	t.percent = percent
	debug.SetGCPercent(percent)
}
