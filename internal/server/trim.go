package server

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// trimPeriod is how often the heap is looked at.
	trimPeriod = time.Second

	// trimQuiet is how much may be allocated in a period that counts as quiet.
	trimQuiet = 1 << 20

	// trimWorth is how much free memory is worth a collection of everything, and
	// trimShare which part of what is in use it must be besides.
	trimWorth = 8 << 20
	trimShare = 4
)

// trimmer gives memory back to the system after a storm. Setting up a connection
// takes many times the memory that the connection then keeps, and Go's runtime holds
// on to it in case it is needed again: with many thousands of idle subscribers that
// would be a third of all. It waits for quiet, because collecting everything costs
// about as much as a few hundred connections do.
type trimmer struct {
	samples []metrics.Sample
	last    uint64 // bytes allocated until the last look
}

func newTrimmer() *trimmer {
	return &trimmer{samples: []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}}
}

// run looks once a period, until ctx ends.
func (t *trimmer) run(ctx context.Context) {
	tick := time.NewTicker(trimPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if t.due() {
				debug.FreeOSMemory()
			}
		}
	}
}

// due tells whether it is quiet and there is something to give back: pages that are
// free, and objects that have died since the last collection.
func (t *trimmer) due() bool {
	metrics.Read(t.samples)
	allocated, free, objects, stacks, live := t.sample(0), t.sample(1), t.sample(2), t.sample(3), t.sample(4)
	quiet := allocated-t.last < trimQuiet
	t.last = allocated
	dead := objects - min(live, objects)
	return quiet && free+dead > trimWorth && free+dead > (objects+stacks)/trimShare
}

func (t *trimmer) sample(i int) uint64 { return t.samples[i].Value.Uint64() }
