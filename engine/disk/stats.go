package disk

import (
	"math"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// Upper bounds of the buckets of histograms.
var (
	syncBounds  = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5} // seconds
	batchBounds = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384}                     // publications
)

// counters count what the engine has done.
type counters struct {
	written   atomic.Uint64 // bytes of batches
	rewritten atomic.Uint64 // bytes of rewritten segments
	sync      histogram
	batch     histogram
}

func (c *counters) init() {
	c.sync.bounds, c.batch.bounds = syncBounds, batchBounds
	c.sync.counts, c.batch.counts = make([]atomic.Uint64, len(syncBounds)), make([]atomic.Uint64, len(batchBounds))
}

// A histogram counts values. Only one goroutine adds.
type histogram struct {
	bounds []float64
	counts []atomic.Uint64
	count  atomic.Uint64
	sum    atomic.Uint64 // bits of a float64
}

func (h *histogram) add(v float64) {
	for i, bound := range h.bounds {
		if v <= bound {
			h.counts[i].Add(1)
			break
		}
	}
	h.sum.Store(math.Float64bits(math.Float64frombits(h.sum.Load()) + v))
	h.count.Add(1)
}

func (h *histogram) read() engine.Histogram {
	r := engine.Histogram{Bounds: h.bounds, Count: h.count.Load(), Sum: math.Float64frombits(h.sum.Load())}
	for i := range h.counts {
		r.Counts = append(r.Counts, h.counts[i].Load())
	}
	return r
}

// Stats implements [engine.Stater].
func (e *Engine) Stats() engine.Stats {
	s := e.table.Stats()
	store := &engine.StoreStats{
		Free: e.files.Free(e.dir), Written: e.counters.written.Load() + e.counters.rewritten.Load(), Failed: e.Ready(),
		Sync: e.counters.sync.read(), Batch: e.counters.batch.read(),
	}
	segments := e.allSegments()
	store.Segments = int64(len(segments))
	store.Bytes = e.diskBytes(segments)
	s.Store = store
	return s
}
