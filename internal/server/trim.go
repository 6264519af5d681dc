package server

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

const (
	// trimPeriod is how often the trimmer checks the heap.
	trimPeriod = 500 * time.Millisecond

	// trimQuiet is how many bytes may be allocated in a quiet period.
	trimQuiet = 512 << 10

	// trimWorth is how much garbage is worth a full collection. trimShare is the part of the memory
	// in use that the garbage must exceed as well, as a divisor.
	trimWorth = 8 << 20
	trimShare = 4

	// trimPause is the minimum time between a collection and one that the trimmer starts because it
	// expects much garbage. For a large heap it is longer, by a second for each trimPace bytes, so
	// that these collections use only a few percent of a processor.
	trimPause = 5 * time.Second
	trimPace  = 64 << 20

	// smallHeap is how many bytes may be allocated between two collections of a small heap, because
	// collecting a small heap often costs more than it saves. maxPercent limits the resulting GC
	// percentage for very small heaps.
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

	allocated uint64     // at the last check
	cycles    uint64     // number of collections at the last check
	collected clock.Mono // when the newest of them was noticed
	held      int64      // the largest footprint since then
	busy      bool       // there was a busy period since then
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

// run checks the heap once per period, until ctx ends.
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
	free              uint64 // free pages
	objects           uint64 // including those that died after the last collection
	live              uint64 // alive at the last collection
	stacks            uint64
}

func (t *trimmer) measure() memoryUse {
	metrics.Read(t.samples)
	n := func(i int) uint64 { return t.samples[i].Value.Uint64() }
	return memoryUse{allocated: n(0), free: n(1), objects: n(2), stacks: n(3), live: n(4), cycles: n(5)}
}

// due records the current state. It reports whether to run a full collection and return free memory
// to the system.
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

// worthTrimming reports whether there is enough garbage, compared with the memory in use.
func worthTrimming(garbage uint64, m memoryUse) bool {
	return garbage > trimWorth && garbage > (m.objects+m.stacks)/trimShare
}

// percentFor returns the GC percentage for the given number of bytes in use.
func percentFor(used uint64) int {
	return int(min(max(smallHeap*100/max(used, 1), 100), maxPercent))
}

// setPercent sets the GC percentage, unless the operator has set it or the change is small: setting
// it stops the world for some microseconds.
func (t *trimmer) setPercent(percent int) {
	const little = 10
	if t.percent == 0 || percent/little == t.percent/little {
		return
	}
	t.percent = percent
	debug.SetGCPercent(percent)
}
