package disk

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

const (
	// maxUnsynced is how many bytes may be written before the engine waits for the disk, whatever
	// [Options.SyncInterval] is. It bounds what a loss of power takes; see lift.
	maxUnsynced = 64 << 20

	// sealPeriod is how often the writer looks whether the last segment is old.
	sealPeriod = time.Minute

	// sealParts is the number of segments in which the messages of Options.Age are, at least, so
	// that old ones can be removed as whole files.
	sealParts = 8
)

// writer is the state of the goroutine that writes batches.
type writer struct {
	last     *segment    // nil if the next batch needs a new one
	next     header      // of the segment to be created when last is nil
	used     bool        // last has messages
	began    clock.Mono  // when last got its first one
	unsynced int64       // bytes in last that may not be on disk
	reserve  bool        // last has not its full size yet
	ahead    int64       // place in last up to which the file system has something written, if it is after the end
	zeros    []byte      // aheadBytes of them; nil until they are needed
	lazy     bool        // last says that its end may be lost, see markLazy
	lost     bool        // last may have lost its end: the next segment begins another life
	timer    *time.Timer // runs while there are any, with Options.SyncInterval
	refusing bool        // the disk has failed, and publishers know it
	closed   error       // result of closing the log
}

// write is the goroutine that writes batches, one after the other.
func (e *Engine) write() {
	defer close(e.batches)
	seal := time.NewTicker(sealPeriod)
	defer seal.Stop()
	w := &e.writer
	w.timer = time.NewTimer(time.Hour)
	w.timer.Stop()
	for {
		select {
		case <-e.wake:
		case <-seal.C:
			e.sealOld()
			continue
		case <-w.timer.C:
			e.syncLazily()
			continue
		}
		for {
			// Publishers that can run now join this batch. Otherwise the first one that the committer
			// releases starts a batch of its own, and all others wait for that one too.
			runtime.Gosched()
			b, closing := e.take()
			if err := e.broken.Load(); err != nil && !w.refusing {
				w.refusing = true
				e.failBatches(b, *err)
				continue
			}
			if b != nil {
				e.writeBatch(b)
				select {
				case <-w.timer.C: // there may always be another batch
					e.syncLazily()
				default:
				}
				continue
			}
			if closing {
				w.closed = e.endLog()
				return
			}
			break
		}
	}
}

// take returns the batch that was being gathered, nil if it is empty, and whether the engine is
// being closed.
func (e *Engine) take() (b *batch, closing bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b = e.gathering
	if len(b.buffer) == 0 {
		return nil, e.closing
	}
	e.gathering = e.newBatch()
	if s := e.writer.last; s != nil && b.segment == s.number && (s.size+int64(len(b.buffer)) > int64(s.limit) || e.writer.old(e)) {
		e.nextTarget() // this batch still goes to the last segment
	}
	close(b.taken)
	return b, false
}

// nextTarget makes messages that are published from now on go to the next segment. The caller holds
// mu.
func (e *Engine) nextTarget() {
	e.target++
	e.numbers = 0
	e.generation++
}

// old reports whether the last segment is old enough to be sealed.
func (w *writer) old(e *Engine) bool {
	return w.used && clock.Now().Sub(w.began) > e.options.Age/sealParts
}

// sealOld seals the last segment if it is old and nobody publishes.
func (e *Engine) sealOld() {
	w := &e.writer
	if w.last == nil || !w.old(e) {
		return
	}
	e.mu.Lock()
	idle := len(e.gathering.buffer) == 0 && e.refused == nil
	if idle && e.target == w.last.number { // or an attempt to seal it has failed before
		e.nextTarget()
	}
	e.mu.Unlock()
	if idle {
		e.trySeal()
	}
}

// trySeal seals the last segment. If the disk is full, the next batch tries again.
func (e *Engine) trySeal() {
	if err := e.seal(); err != nil {
		e.failOrRefuse(nil, err)
	}
}

// openSegment makes sure that the last segment is the one that a batch is for.
func (e *Engine) openSegment(b *batch) error {
	w := &e.writer
	if w.last != nil && w.last.number != b.segment {
		if err := e.seal(); err != nil {
			return err
		}
	}
	if w.last == nil {
		return e.beginSegment()
	}
	if w.reserve {
		if err := w.last.file.Allocate(int64(w.last.limit)); err != nil {
			return fmt.Errorf("reserve the space of %s: %w", w.last.path, err)
		}
		w.reserve = false
	}
	return nil
}

// markLazily records in the last segment that messages are acknowledged before the disk has them.
func (e *Engine) markLazily() error {
	w := &e.writer
	if e.options.SyncInterval == 0 || w.lazy {
		return nil
	}
	if err := e.writeRecords(appendMark(nil, mark{time: currentTime().wall, synced: e.synced.Load(), lazy: true})); err != nil {
		return fmt.Errorf("write to %s: %w", w.last.path, err)
	}
	if err := e.sync(); err != nil {
		return err
	}
	w.lazy = true
	return nil
}

// writeRecords writes records after the last ones. If the error is full, nothing was written.
func (e *Engine) writeRecords(b []byte) error {
	s := e.writer.last
	if _, err := s.file.WriteAt(b, s.size); err != nil {
		if back := e.takeBack(int64(len(b))); back != nil {
			return e.breakDown(fmt.Errorf("%w, and then: %w", err, back)) // not only full
		}
		if err := e.sync(); err != nil { // or a loss of power could bring back messages that were refused
			return err
		}
		return err
	}
	s.size += int64(len(b))
	return nil
}

// writeBatch writes a batch, and waits for the disk.
func (e *Engine) writeBatch(b *batch) {
	w := &e.writer
	err := e.openSegment(b)
	if err == nil {
		err = e.markLazily()
	}
	if err == nil {
		b.setMark(mark{time: b.time, synced: e.synced.Load(), lazy: w.lazy})
		if err = e.writeRecords(b.buffer); err != nil {
			err = fmt.Errorf("write to %s: %w", w.last.path, err)
		}
	}
	if err != nil {
		e.failOrRefuse(b, err)
		return
	}
	s := w.last
	e.writeAhead(len(b.buffer))
	start := s.size - int64(len(b.buffer))
	for i := range b.entries {
		en := &b.entries[i]
		if en.publication == nil {
			s.purged = true
			continue
		}
		place := start + int64(en.place)
		size := len(en.publication.Data)
		en.address = newAddress(s.slot, place, size)
		if size >= 1<<sizeBits {
			s.addLarge(place, int64(size))
		}
		s.whole += messageOverhead + int64(size)
	}
	s.addTime(start, b.began)
	if !w.used {
		w.used, w.began = true, b.began
	}
	e.counters.written.Add(uint64(len(b.buffer)))
	e.counters.batch.add(float64(len(b.entries)))
	w.unsynced += int64(len(b.buffer))
	roll := e.rolling(s)
	if e.options.SyncInterval == 0 || w.unsynced > maxUnsynced {
		if err := e.sync(); err != nil {
			e.failOrRefuse(b, err)
			return
		}
	} else if w.unsynced == int64(len(b.buffer)) {
		w.timer.Reset(e.options.SyncInterval)
	}
	e.batches <- b
	if roll {
		e.trySeal()
	}
}

// rolling reports whether later batches are for another segment.
func (e *Engine) rolling(s *segment) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.target != s.number
}

// sync waits until the disk has the last segment.
func (e *Engine) sync() error {
	w := &e.writer
	start := time.Now()
	if err := e.syncFile(w.last); err != nil {
		return err
	}
	e.counters.sync.add(time.Since(start).Seconds())
	w.unsynced = 0
	e.synced.Store(w.last.base + w.last.size)
	return nil
}

// syncFile waits until the disk has a segment. After the first failure it always fails, whichever
// goroutine calls it: the system reports a failure only once, and a later call would succeed without
// having written the rest.
func (e *Engine) syncFile(s *segment) error {
	e.syncing.Lock()
	defer e.syncing.Unlock()
	if err := e.broken.Load(); err != nil {
		return *err
	}
	if err := s.file.Sync(); err != nil {
		return e.breakDown(fmt.Errorf("wait until the disk has %s: %w", s.path, err))
	}
	return nil
}

func (e *Engine) syncLazily() {
	if e.writer.last == nil || e.writer.unsynced == 0 {
		return
	}
	if err := e.sync(); err != nil {
		e.failOrRefuse(nil, err)
	}
}

// seal ends the last segment.
func (e *Engine) seal() error {
	w := &e.writer
	if err := e.writeEnd(); err != nil {
		return err
	}
	s := w.last
	// Not a copy of its header: its note may change now.
	w.next = header{number: s.number + 1, epoch: s.epoch, epochBefore: s.epoch, life: s.life, base: s.end()}
	if w.lost {
		w.next.life++
	}
	w.last, w.used, w.lazy, w.lost, w.ahead = nil, false, false, false, 0
	e.awaitCommitter() // a sealed segment may be removed, so its messages must be in the index
	e.segmentsMu.Lock()
	s.sealed = true
	e.segmentsMu.Unlock()
	e.wakeKeeper()
	return nil
}

// writeEnd writes the end record, waits for the disk, and cuts off the space that was reserved.
func (e *Engine) writeEnd() error {
	w := &e.writer
	s := w.last
	if w.unsynced > 0 {
		if err := e.sync(); err != nil { // an end record says that all before it is on disk
			return err
		}
	}
	if w.lazy && !w.lost {
		if err := e.writeRecords(appendMark(nil, mark{time: currentTime().wall, synced: e.synced.Load()})); err != nil {
			return fmt.Errorf("write to %s: %w", s.path, err)
		}
		if err := e.sync(); err != nil { // or a part of the mark may be missing before the end record
			return err
		}
	}
	if err := e.writeRecords(appendEnd(nil)); err != nil {
		return fmt.Errorf("write the end of %s: %w", s.path, err)
	}
	if err := e.sync(); err != nil {
		return err
	}
	// Zeros after an end are allowed, so it does not matter whether this reaches the disk.
	if err := s.file.Truncate(s.size); err != nil {
		e.log.Warn("cannot cut off the reserved space of a file", "file", s.path, "error", err)
	}
	return nil
}

// endLog ends the log when the engine is closed.
func (e *Engine) endLog() error {
	w := &e.writer
	if err := e.broken.Load(); err != nil {
		return *err
	}
	if w.last == nil {
		return nil
	}
	return e.writeEnd()
}

// beginSegment creates the next segment. The error is full if there is no room.
func (e *Engine) beginSegment() error {
	w := &e.writer
	h := w.next
	h.limit = uint32(e.options.segment)
	e.changing.Lock()
	defer e.changing.Unlock()
	if err := e.makeRoom(int64(h.limit)); err != nil {
		return err
	}
	h.oldest, h.newest = h.number, h.number
	var before *segment
	if all := e.allSegments(); len(all) > 0 {
		before = all[len(all)-1]
		h.start, h.oldest = before.start, before.oldest
	}
	s, err := createSegment(e.files, e.dir, h)
	if err != nil {
		return fmt.Errorf("create %s: %w", segmentPath(e.dir, h.number), err)
	}
	e.freeing.bytes -= int64(h.limit)
	if !e.addSegment(s) {
		return errors.Join(errTooManySegments, s.file.Close(), e.files.Remove(s.path))
	}
	w.last, w.unsynced = s, 0
	e.synced.Store(s.base + s.size)
	if before == nil {
		return nil
	}
	n := before.note
	n.newest = s.number
	return e.saveNote(before, n)
}

// takeBack removes what a failed write may have left after the end of the last segment.
func (e *Engine) takeBack(n int64) error {
	s := e.writer.last
	reserved := int64(0)
	if s.flags&flagAllocated != 0 {
		reserved = max(int64(s.limit)-s.size, 0)
	}
	if err := s.file.Truncate(s.size + reserved); err != nil {
		return err
	}
	if zeros := min(n, reserved); zeros > 0 {
		_, err := s.file.WriteAt(make([]byte, zeros), s.size)
		return err
	}
	return nil
}

// failOrRefuse is called when something could not be written. It tells the publishers of a batch,
// which may be nil, and of the one that gathers after it, that their messages were not published.
// Both go together because the offsets of the second follow those of the first. Unless a
// later attempt may succeed, all later messages are refused too.
func (e *Engine) failOrRefuse(b *batch, err error) {
	if e.broken.Load() == nil && isTemporary(err) {
		err = e.fullError(err)
		if b != nil {
			e.failBatches(b, err)
		}
		return
	}
	e.writer.refusing = true
	e.failBatches(b, e.breakDown(err))
}

// breakDown records that the disk has failed. It returns the error for publishers. Any goroutine may
// call it; the writer then refuses all messages.
func (e *Engine) breakDown(err error) error {
	err = fmt.Errorf("%w: %w. The message may or may not have been kept. Nothing more is published until the server is restarted; "+
		"repair or replace the disk first", engine.ErrStorageFailed, err)
	if e.broken.CompareAndSwap(nil, &err) {
		e.log.Error("the disk has failed: nothing more is published until the server is restarted", "error", err)
	}
	select {
	case e.wake <- struct{}{}:
	default:
	}
	return *e.broken.Load()
}

// failBatches fails a batch, which may be nil, and the one that gathers. Only the writer calls it.
func (e *Engine) failBatches(b *batch, err error) {
	e.mu.Lock()
	e.refused = err
	late := e.gathering
	e.gathering = e.newBatch()
	e.generation++ // the failed batches may have defined channels
	e.mu.Unlock()
	close(late.taken)
	e.awaitCommitter()
	failed := []*batch{late}
	if b != nil {
		failed = []*batch{late, b}
	}
	for _, b := range failed { // the latest first, so that the last call for a log has its first offset
		for i := len(b.entries) - 1; i >= 0; i-- {
			en := &b.entries[i]
			if en.publication == nil {
				continue
			}
			en.log.Lock()
			e.table.Cancel(en.log, en.publication.Offset-1)
			en.log.Store().(*stored).pending = nil
			en.log.Unlock()
		}
	}
	if !e.writer.refusing {
		e.mu.Lock()
		e.refused = nil
		e.mu.Unlock()
	}
	for _, b := range failed {
		b.err = err
		close(b.done)
	}
}

// commit is the goroutine that shows what is on disk: to followers, to readers, and to the
// publishers that wait. It is not the writer, so that the deliveries of a large batch do not delay
// the next one.
func (e *Engine) commit() {
	defer close(e.committed)
	for b := range e.batches {
		for i := range b.entries {
			en := &b.entries[i]
			if en.publication == nil {
				en.purge(e.table)
				continue
			}
			e.table.Commit(en.log, en.publication, en.accepted, en.address)
		}
		close(b.done)
		if len(b.entries) > 0 {
			e.table.Trim()
			e.reuse(b)
		}
		if e.overMemory() {
			e.wakeKeeper()
		}
	}
}
