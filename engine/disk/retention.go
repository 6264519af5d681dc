package disk

import (
	"context"
	"fmt"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// keepPeriod is how often the keeper looks at the disk's free space.
const keepPeriod = time.Second

func (e *Engine) wakeKeeper() {
	select {
	case e.keeping <- struct{}{}:
	default:
	}
}

// keep is the goroutine that frees the disk: it removes segments without kept messages, and the
// oldest ones over a ceiling. It also writes the notes that let channels be forgotten.
func (e *Engine) keep(ctx context.Context) {
	defer close(e.kept)
	tick := time.NewTicker(keepPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.keeping:
		case <-tick.C:
		}
		if e.broken.Load() != nil {
			continue
		}
		if err := e.noteStart(); err != nil {
			e.complaints.note.say(func() {
				e.log.Error("cannot note on disk which offsets were used: channels without messages stay in memory until that succeeds",
					"directory", e.dir, "error", err)
			})
		}
		if err := e.tidy(); err != nil {
			e.complaints.tidy.say(func() {
				e.log.Error("cannot free space on the disk", "directory", e.dir, "error", err)
			})
		}
	}
}

// tidy removes segments that are not needed, and those over a ceiling.
func (e *Engine) tidy() error {
	e.changing.Lock()
	defer e.changing.Unlock()
	if err := e.removeFiles(); err != nil {
		return err
	}
	for {
		s, removable := e.oldest()
		if !removable {
			return nil
		}
		switch {
		case s.count.Load() == 0 && e.pastKeys(s):
		case e.overDisk(0):
			e.dropMessages(s, channellog.EvictedDisk)
		case e.overMemory():
			e.dropMessages(s, channellog.EvictedMemory)
		default:
			return nil
		}
		if err := e.remove(s); err != nil {
			return err
		}
	}
}

// oldest returns the oldest segment, and whether it may be removed: it is sealed and not the only
// one.
func (e *Engine) oldest() (s *segment, removable bool) {
	e.segmentsMu.RLock()
	defer e.segmentsMu.RUnlock()
	if len(e.segments) == 0 {
		return nil, false
	}
	s = e.segments[0]
	return s, s.sealed && len(e.segments) > 1
}

// pastKeys reports whether the keys of the segment's messages have expired. Until then the segment
// is needed to know them after a restart.
func (e *Engine) pastKeys(s *segment) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return clock.Now().Sub(s.newest) > e.options.KeyWindow
}

// overDisk reports whether the segments together with n more bytes take more of the disk than they
// may.
func (e *Engine) overDisk(n int64) bool {
	if e.diskBytes(e.allSegments())+n > e.options.Disk {
		return true
	}
	free := e.free()
	return free >= 0 && free-n < e.options.DiskFree
}

// freePeriod is how long a file system may take to count the space of a removed file as free.
const freePeriod = 5 * time.Second

// freeing says how much space there should be on the disk after files were removed. Without it, one
// segment after the other would be dropped on a file system that frees space later, such as XFS.
type freeing struct {
	until clock.Mono
	bytes int64
}

// free returns the bytes that the disk has left, -1 if they are unknown. The caller holds changing.
func (e *Engine) free() int64 {
	free := e.files.Free(e.dir)
	if free >= 0 && clock.Now() < e.freeing.until {
		free = max(free, e.freeing.bytes)
	}
	return free
}

// diskBytes returns the bytes that the segments take.
func (e *Engine) diskBytes(segments []*segment) int64 {
	e.segmentsMu.RLock()
	defer e.segmentsMu.RUnlock()
	var n int64
	for _, s := range segments {
		switch {
		case s.sealed:
			n += s.size
		case s.flags&flagAllocated != 0:
			n += int64(s.limit)
		}
	}
	return n
}

// overMemory reports whether the memory that no eviction frees is more than it may be: the indexes,
// or everything.
func (e *Engine) overMemory() bool {
	return e.index.Load()*channellog.StoredOverhead > e.options.Memory/2 || e.table.Fixed() > e.options.Memory
}

// makeRoom drops the oldest segments until there is room for n more bytes. The caller holds
// changing.
func (e *Engine) makeRoom(n int64) error {
	for e.overDisk(n) {
		s, removable := e.oldest()
		if !removable {
			return errNoRoom
		}
		e.dropMessages(s, channellog.EvictedDisk)
		if err := e.remove(s); err != nil {
			return fmt.Errorf("%w: %w", errNoRoom, err) // another attempt may succeed
		}
	}
	return nil
}

// dropMessages drops all messages of the oldest segment. The caller holds changing.
func (e *Engine) dropMessages(s *segment, cause channellog.EvictedCause) {
	e.table.Each(func(l *channellog.Log) bool {
		index := l.Store().(*stored)
		n := 0
		for n < len(index.addresses) && slotOf(index.addresses[n]) == s.slot {
			n++
		}
		if n > 0 {
			l.DropOldest(e.table, n, cause)
		}
		return true
	})
	e.log.Info("dropped the oldest messages", "file", s.path, "cause", map[channellog.EvictedCause]string{
		channellog.EvictedDisk: "disk", channellog.EvictedMemory: "memory",
	}[cause])
}

// remove removes the oldest segment, which keeps no messages. The caller holds changing.
func (e *Engine) remove(s *segment) error {
	// A channel of which nothing is left must never use an offset again.
	all := e.allSegments()
	newest := all[len(all)-1]
	n := newest.note
	n.raise(note{start: e.emptyHead(), oldest: s.number + 1})
	if err := e.saveNote(newest, n); err != nil {
		return err
	}
	e.segmentsMu.Lock()
	e.segments = e.segments[1:]
	e.segmentsMu.Unlock()
	e.slots.set(s.slot, nil)
	s.file.Close() //nolint:errcheck // it is not written any more
	e.freeing = freeing{until: clock.Now().Add(freePeriod), bytes: e.free() + s.size}
	e.unwanted = append(e.unwanted, s.path)
	return e.removeFiles()
}

// removeFiles removes the files of segments that were dropped, in order: there must never be a file
// missing between two others. The caller holds changing.
func (e *Engine) removeFiles() error {
	for len(e.unwanted) > 0 {
		path := e.unwanted[0]
		if err := e.files.Remove(hintPath(path)); err != nil {
			return err
		}
		if err := e.files.Remove(path); err != nil {
			return err
		}
		if err := e.files.SyncDir(e.dir); err != nil {
			return e.breakDown(fmt.Errorf("wait until the disk has the names in %s: %w", e.dir, err))
		}
		e.unwanted = e.unwanted[1:]
	}
	return nil
}

// saveNote writes a segment's note, and waits until the disk has it. The caller holds changing.
func (e *Engine) saveNote(s *segment, n note) error {
	if _, err := s.file.WriteAt(n.append(nil), noteAt); err != nil {
		return fmt.Errorf("write to %s: %w", s.path, err)
	}
	if err := e.syncFile(s); err != nil {
		return err
	}
	s.note = n
	e.noted.Store(max(e.noted.Load(), n.start))
	return nil
}
