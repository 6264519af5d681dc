package server

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
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
// And it lets a small heap grow more before it is collected, since what is not needed
// is given back anyway. An operator who sets GOGC decides that instead.
type trimmer struct {
	samples []metrics.Sample
	last    uint64 // bytes allocated until the last look
	percent int    // what SetGCPercent was given; 0 leaves it alone
}

func newTrimmer() *trimmer {
	t := &trimmer{samples: []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/gc/heap/live:bytes"},
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
		live, stacks, due := t.look()
		t.setPercent(percentFor(live + stacks))
		if due {
			debug.FreeOSMemory()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look returns what is in use, and whether it is quiet and there is something to
// give back: pages that are free, and objects that have died since the last
// collection.
func (t *trimmer) look() (live, stacks uint64, due bool) {
	metrics.Read(t.samples)
	allocated, free, objects := t.sample(0), t.sample(1), t.sample(2)
	stacks, live = t.sample(3), t.sample(4)
	quiet := allocated-t.last < trimQuiet
	t.last = allocated
	return live, stacks, quiet && worthTrimming(free, objects, live, stacks)
}

// worthTrimming tells whether enough is free or dead, beside what is in use: bytes of
// free pages, of objects, of those that the last collection found alive, of stacks.
func worthTrimming(free, objects, live, stacks uint64) bool {
	garbage := free + objects - min(live, objects)
	return garbage > trimWorth && garbage > (objects+stacks)/trimShare
}

func (t *trimmer) sample(i int) uint64 { return t.samples[i].Value.Uint64() }

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
