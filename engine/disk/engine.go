package disk

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
	"github.com/boreas-pubsub/boreas/v2/internal/dirlock"
)

// Engine keeps publications on disk. [Open] returns one.
//
// Lock order: the lock of a log, Engine.mu. Engine.changing comes before both, and Engine.syncing
// between changing and them. The locks of a segment and Engine.segmentsMu come last.
type Engine struct {
	// Immutable after Open.
	dir       string
	options   settings
	files     fileSystem
	log       *slog.Logger
	lock      *dirlock.Lock // nil in tests without a real directory
	epoch     uint64        // of the channels on disk
	movedHead uint64        // the highest offset on disk of the channels that are kept in memory now, see emptyHead
	table     *channellog.Table

	mu         sync.Mutex // guards the fields below
	gathering  *batch     // takes the messages that are published now
	spare      []buffers
	target     uint64 // number of the segment that gathering is for
	numbers    uint32 // the last number that was given to a channel in that segment
	generation uint32 // counts how often channels had to be defined anew
	refused    error  // returned to publishers; not nil while a batch fails, and after the disk has failed
	closing    bool

	wake      chan struct{} // wakes the writer
	batches   chan *batch   // from the writer to the committer
	committed chan struct{} // closed when the committer has ended
	keeping   chan struct{} // wakes the keeper
	kept      chan struct{} // closed when the keeper has ended
	compacted chan struct{} // closed when the compactor has ended
	stop      context.CancelFunc

	writer writer // owned by the writer's goroutine

	synced atomic.Int64          // position up to which the log is on disk
	broken atomic.Pointer[error] // returned to publishers after the disk has failed
	index  atomic.Int64          // number of addresses in the indexes of all channels
	noted  atomic.Uint64         // the start in the notes, see mayForget
	wanted atomic.Uint64         // what noted should be

	syncing    sync.Mutex // held while the disk is waited for, see syncFile
	changing   sync.Mutex // held while segments are dropped or rewritten
	segmentsMu sync.RWMutex
	segments   []*segment // guarded by segmentsMu; oldest first
	slots      slotTable
	nextSlot   int      // guarded by segmentsMu
	freeing    freeing  // guarded by changing
	unwanted   []string // paths of segments that were dropped and may still have files; guarded by changing

	complaints struct{ full, read, note, tidy complaint }
	counters   counters
}

var (
	_ engine.Engine    = (*Engine)(nil)
	_ engine.Batcher   = (*Engine)(nil)
	_ engine.Peeker    = (*Engine)(nil)
	_ engine.Punctual  = (*Engine)(nil)
	_ engine.Readier   = (*Engine)(nil)
	_ engine.Lister    = (*Engine)(nil)
	_ engine.Counter   = (*Engine)(nil)
	_ engine.Relimiter = (*Engine)(nil)
	_ engine.Purger    = (*Engine)(nil)
	_ engine.Stater    = (*Engine)(nil)
)

// Follow implements [engine.Engine].
func (e *Engine) Follow(_ context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	l, head, stop, err := e.table.Follow(channel, to)
	if err != nil {
		return engine.Position{}, nil, err
	}
	return engine.Position{Epoch: e.epochOf(l.Store() != nil), Offset: head}, stop, nil
}

// epochOf returns the epoch of a channel that is on disk or in memory.
func (e *Engine) epochOf(onDisk bool) uint64 {
	if onDisk {
		return e.epoch
	}
	return e.table.Epoch()
}

// newStore returns the index of a channel whose log is created, or nil for a channel that is kept
// in memory.
func (e *Engine) newStore(channel string, limits engine.Retention) channellog.Store {
	if !e.onDisk(channel, limits) {
		return nil
	}
	return &stored{engine: e}
}

func (e *Engine) onDisk(channel string, limits engine.Retention) bool {
	return limits.Messages >= 0 && (e.options.InMemory == nil || !e.options.InMemory(channel))
}

// CountAfter implements [engine.Counter].
func (e *Engine) CountAfter(channel string, since engine.Position) int {
	return e.table.CountAfter(channel, since, e.epochOf)
}

// Published implements [engine.Counter].
func (e *Engine) Published(channel string) uint64 { return e.table.Published(channel) }

// MostPublished implements [engine.Counter].
func (e *Engine) MostPublished(prefix string, limit int) []engine.Published {
	return e.table.MostPublished(prefix, limit)
}

// Relimit implements [engine.Relimiter].
func (e *Engine) Relimit() { e.table.Relimit() }

// ListChannels implements [engine.Lister]. Its cost depends on the number of names returned, not on
// the number of channels. Errors: [engine.ErrClosed], those of ctx.
func (e *Engine) ListChannels(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	return e.table.ListChannels(ctx, prefix, after, limit)
}

// Ready implements [engine.Readier]. It returns an error after the disk has failed. A full disk is
// no error: the engine still serves what it has, and accepts publications once there is room.
func (e *Engine) Ready() error {
	if e.table.Closed() {
		return engine.ErrClosed
	}
	if err := e.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Close implements [engine.Engine]. It waits until everything that was accepted is on disk.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		return engine.ErrClosed
	}
	e.closing = true
	e.mu.Unlock()
	e.stop()
	<-e.kept
	<-e.compacted
	select {
	case e.wake <- struct{}{}:
	default:
	}
	<-e.committed
	return e.closeFiles(e.writer.closed)
}

// link counts a message in its segment. The caller holds the lock of its log.
func (e *Engine) link(a address) {
	e.index.Add(1)
	if s := e.slots.get(slotOf(a)); s != nil {
		s.count.Add(1)
		s.live.Add(messageOverhead + e.sizeOf(a))
	}
}

// linkAll counts n messages of a channel in their segment. The caller holds the lock of the log.
func (e *Engine) linkAll(s *segment, n int, bytes int64) {
	e.index.Add(int64(n))
	s.count.Add(int64(n))
	s.live.Add(int64(n)*messageOverhead + bytes)
}

// unlink takes a dropped message out of the count of its segment. The caller holds the lock of its
// log.
func (e *Engine) unlink(a address) {
	e.index.Add(-1)
	s := e.slots.get(slotOf(a))
	if s == nil {
		return
	}
	s.live.Add(-messageOverhead - e.sizeOf(a))
	if s.count.Add(-1) == 0 {
		e.wakeKeeper()
	}
}

// sizeOf returns the size of a message's data.
func (e *Engine) sizeOf(a address) int64 {
	if n := int64(a & (1<<sizeBits - 1)); n > 0 {
		return n
	}
	s := e.slots.get(slotOf(a))
	if s == nil {
		return 0
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.large[placeOf(a)]
}

// addSegment gives a segment a slot and adds it to the list. It returns false if there is no free
// slot.
func (e *Engine) addSegment(s *segment) bool {
	e.segmentsMu.Lock()
	defer e.segmentsMu.Unlock()
	if !e.takeSlot(s) {
		return false
	}
	e.segments = append(e.segments, s)
	return true
}

// takeSlot finds a free slot for a segment. The caller holds segmentsMu.
func (e *Engine) takeSlot(s *segment) bool {
	for range maxSlots {
		slot := e.nextSlot
		e.nextSlot = (e.nextSlot + 1) % maxSlots
		if e.slots.get(slot) == nil {
			s.slot = slot
			e.slots.set(slot, s)
			return true
		}
	}
	return false
}

// allSegments returns the segments, oldest first.
func (e *Engine) allSegments() []*segment {
	e.segmentsMu.RLock()
	defer e.segmentsMu.RUnlock()
	return append([]*segment(nil), e.segments...)
}

// A now is the current moment by both clocks. It converts times of the wall clock of earlier
// processes to moments.
type now struct {
	mono clock.Mono
	wall int64
}

// moment returns the moment of a time. A time in the future is now.
func (n now) moment(wall int64) clock.Mono { return n.mono - clock.Mono(max(n.wall-wall, 0)) }
