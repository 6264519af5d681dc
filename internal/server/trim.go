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

	// trimPause lies between a collection and one that the trimmer asks for because it
	// believes that much has died since. It is longer for a large heap, by a second for each
	// trimPace bytes, so that the collections take some hundredths of a processor.
	trimPause = 5 * time.Second
	trimPace  = 64 << 20

	// smallHeap is how much may be allocated between two collections however
	// little is in use: collecting a small heap often costs more than it saves.
	// maxPercent bounds what that means for the very smallest.
	smallHeap  = 96 << 20
	maxPercent = 400
)

// trimmer fits Go's memory management to a server of many connections.
//
// It gives memory back to the system after a storm. Setting up a connection takes
// many times the memory that the connection then keeps, and Go's runtime holds on to
// it in case it is needed again: with many thousands of idle subscribers that would
// be a third of all. It waits for quiet, because collecting everything costs about as
// much as a thousand connections do.
//
// What was alive at the last collection and has died since, the runtime does not know before
// the next one, which without allocations is two minutes away. The trimmer asks for one if
// the server has told that it holds much less, or once after each time that was not quiet.
//
// And it lets a small heap grow more before it is collected, since what is not needed
// is given back anyway. An operator who sets GOGC decides that instead.
type trimmer struct {
	footprint func() int64 // what the server knows to be in use, in bytes
	samples   []metrics.Sample
	percent   int // what SetGCPercent was given; 0 leaves it alone

	allocated uint64     // until the last look
	cycles    uint64     // collections until the last look
	collected clock.Mono // when the last of them was seen
	held      int64      // the footprint then
	busy      bool       // it was not quiet, then or since
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

// memory is what the runtime tells of its memory, in bytes.
type memory struct {
	allocated, cycles uint64 // since the process began
	free              uint64 // pages
	objects           uint64 // also those that have died since the last collection
	live              uint64 // that the last collection found alive
	stacks            uint64
}

func (t *trimmer) measure() memory {
	metrics.Read(t.samples)
	n := func(i int) uint64 { return t.samples[i].Value.Uint64() }
	return memory{allocated: n(0), free: n(1), objects: n(2), stacks: n(3), live: n(4), cycles: n(5)}
}

// due notes how things stand and tells whether to collect everything and give back what is
// free.
func (t *trimmer) due(m memory, footprint int64, now clock.Mono) bool {
	quiet := m.allocated-t.allocated < trimQuiet
	t.allocated = m.allocated
	if m.cycles != t.cycles {
		t.cycles, t.collected, t.held, t.busy = m.cycles, now, footprint, false
	}
	t.busy = t.busy || !quiet
	t.held = max(t.held, footprint) // what came since is in m.objects, if it has died again
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

// worthTrimming tells whether so much garbage is enough beside what is in use.
func worthTrimming(garbage uint64, m memory) bool {
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
