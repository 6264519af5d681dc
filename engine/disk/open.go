package disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
	"github.com/boreas-pubsub/boreas/v2/internal/dirlock"
)

const (
	// segmentLimit is the size of a segment in bytes. Segments are smaller if a ceiling would hold
	// less than segmentParts of them otherwise, and larger if it would hold more than maxSegments,
	// because each open file takes a descriptor.
	segmentLimit = 64 << 20
	segmentParts = 16
	maxSegments  = 1024
	minSegment   = 64 << 10

	// lift is how many offsets of each channel are left out when the log may have lost its end: more
	// than there can be messages in maxUnsynced bytes.
	lift = 1 << 24

	// scanners is the number of segments that are read at once.
	scanners = 2

	lockName = "lock"
)

// settings are the options with their defaults.
type settings struct {
	Options
	segment       int64 // size of a segment
	compactPeriod time.Duration
	compactRate   int64
	sortBytes     int64
	files         fileSystem
	locked        bool // the directory needs no lock
}

func (o Options) settings() settings {
	o.Messages = cmp.Or(o.Messages, DefaultMessages)
	o.Bytes = cmp.Or(o.Bytes, DefaultBytes)
	o.Age = cmp.Or(o.Age, DefaultAge)
	o.Memory = cmp.Or(o.Memory, DefaultMemory)
	o.KeyWindow = cmp.Or(o.KeyWindow, DefaultKeyWindow)
	o.Disk = cmp.Or(o.Disk, DefaultDisk)
	o.DiskFree = max(cmp.Or(o.DiskFree, DefaultDiskFree), 0)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	segment := min(max(segmentLimit, o.Disk/maxSegments), maxSegment-maxBatch-maxRecord)
	segment = max(min(segment, o.Disk/segmentParts, o.Memory/4), minSegment)
	return settings{Options: o, segment: segment, compactPeriod: compactPeriod, compactRate: compactRate, sortBytes: sortBytes, files: osFileSystem{}}
}

// Open opens the log in a directory, and creates both if they do not exist. Its errors are
// [ErrInUse], a [*DamageError], a [*VersionError] and those of the file system.
func Open(dir string, o Options) (*Engine, Opened, error) {
	abs, err := filepath.Abs(dir) // for messages
	if err != nil {
		return nil, Opened{}, err
	}
	if err := makeDir(abs); err != nil {
		return nil, Opened{}, err
	}
	return open(abs, o.settings())
}

func open(dir string, o settings) (*Engine, Opened, error) {
	start := time.Now()
	e := &Engine{
		dir: dir, options: o, files: o.files, log: o.Logger,
		wake: make(chan struct{}, 1), keeping: make(chan struct{}, 1), batches: make(chan *batch, 4),
		committed: make(chan struct{}), kept: make(chan struct{}), compacted: make(chan struct{}), generation: 1,
	}
	e.counters.init()
	if !o.locked {
		lock, err := dirlock.Acquire(dir, lockName)
		if err != nil {
			return nil, Opened{}, fmt.Errorf("lock the directory %s: %w", dir, err)
		}
		e.lock = lock
	}
	e.table = channellog.New(channellog.Options{
		Messages: o.Messages, Bytes: o.Bytes, Age: o.Age, Memory: o.Memory, Limits: o.Limits, KeyWindow: o.KeyWindow,
		Store: e.newStore, MayForget: e.mayForget,
	})
	opened := Opened{Dir: dir}
	if err := e.load(&opened); err != nil {
		return nil, Opened{}, errors.Join(err, e.closeFiles(nil))
	}
	e.gathering = e.newBatch()
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	go e.write()
	go e.commit()
	go e.keep(ctx)
	go e.compact(ctx)
	e.wakeKeeper()
	s := e.table.Stats()
	opened.Messages, opened.Channels, opened.Keys = s.Publications, s.Channels, s.Keys
	segments := e.allSegments()
	opened.Segments, opened.Bytes = len(segments), e.diskBytes(segments)
	opened.Took = time.Since(start)
	return e, opened, nil
}

// closeFiles closes everything that is open, and returns the error joined with those of closing.
func (e *Engine) closeFiles(err error) error {
	if closeErr := e.table.Close(); err == nil {
		err = closeErr
	}
	for _, s := range e.allSegments() {
		s.file.Close() //nolint:errcheck // everything is on disk, or err says that it is not
	}
	if e.lock != nil {
		err = errors.Join(err, e.lock.Close())
	}
	return err
}

// load reads the log.
func (e *Engine) load(opened *Opened) error {
	numbers, err := segmentNumbers(e.files, e.dir)
	if err != nil {
		return err
	}
	if len(numbers) == 0 {
		return e.create(opened)
	}
	l := &loader{engine: e, opened: opened, now: currentTime()}
	if err := l.loadAll(numbers); err != nil {
		return err
	}
	return l.finish()
}

func currentTime() now {
	mono, wall := clock.Both()
	return now{mono, wall}
}

// create begins a log.
func (e *Engine) create(opened *Opened) error {
	e.epoch = newEpoch(0)
	opened.Created, opened.Epoch = true, e.epoch
	e.target = 1
	e.writer.next = header{number: 1, epoch: e.epoch, epochBefore: e.epoch}
	if err := e.beginSegment(); err != nil {
		if isFull(err) {
			return fmt.Errorf("there is no room in %s: at least %d MiB must be free, see disk_free: %w", e.dir, (e.options.DiskFree+e.options.segment)>>20, err)
		}
		return err
	}
	return nil
}

// loader reads the segments of a log into an engine.
type loader struct {
	engine *Engine
	opened *Opened
	now    now
	before *header // of the segment before
	end    int64   // position in the log after the segment before
	note   note    // of all segments
	start  uint64  // where channels start that have no messages in the log: by the notes, and by the lives after them
	moved  uint64  // the highest offset of the channels that are kept in memory now
	life   uint32  // for which start and moved are
	tail   *scan   // of the last segment

	segments, merged int               // numbers of segments: all, and those that were merged
	logs, logsBefore []*channellog.Log // of the channels of a segment and of the one before
	next             int               // in logsBefore
}

// loadAll reads the segments, several at a time, and merges them in order.
func (l *loader) loadAll(numbers []uint64) error {
	type result struct {
		segment *segment
		scan    *scan
		room    *scanRoom
		err     error
	}
	l.segments = len(numbers)
	var total int64
	files := make([]file, len(numbers))
	sizes := make([]int64, len(numbers))
	fail := func(err error) error {
		for _, f := range files {
			if f != nil {
				f.Close() //nolint:errcheck // it was only read
			}
		}
		return err
	}
	for i, n := range numbers {
		f, err := l.engine.files.Open(segmentPath(l.engine.dir, n), false)
		if err != nil {
			return fail(err)
		}
		files[i] = f
		if sizes[i], err = f.Size(); err != nil {
			return fail(err)
		}
		total += sizes[i]
	}
	var read atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	turns, rooms := make(chan struct{}, scanners), make(chan *scanRoom, scanners)
	for range scanners {
		rooms <- new(scanRoom)
	}
	results := make([]chan result, len(numbers))
	for i := range results {
		results[i] = make(chan result, 1)
	}
	go func() {
		for i, n := range numbers {
			select {
			case turns <- struct{}{}: // given back when the result has been merged, so that few scans are in memory
			case <-ctx.Done():
				return
			}
			go func() {
				path := segmentPath(l.engine.dir, n)
				room := <-rooms
				s, err := l.scan(path, files[i], sizes[i], i == len(numbers)-1, &read, room)
				results[i] <- result{&segment{file: files[i], path: path}, s, room, err}
			}()
		}
	}()
	for i := range results {
		r := <-results[i]
		if r.err != nil {
			return fail(r.err)
		}
		if err := l.merge(r.segment, r.scan, numbers[i]); err != nil {
			return fail(err)
		}
		files[i] = nil // the engine closes it
		if l.engine.options.Progress != nil {
			l.engine.options.Progress(min(read.Load(), total), total)
		}
		rooms <- r.room
		<-turns
	}
	return nil
}

// scan reads a segment, or its hint.
func (l *loader) scan(path string, f file, size int64, last bool, read *atomic.Int64, room *scanRoom) (*scan, error) {
	window := clock.Mono(max(l.engine.options.KeyWindow, -1))
	if !last {
		if s, ok := readHint(l.engine.files, path, f, size, l.now, window, room); ok {
			read.Add(size)
			return s, nil
		}
	}
	r := &scanner{path: path, file: f, size: size, last: last, now: l.now, window: window, read: func(n int64) error { read.Add(n); return nil }}
	return r.scan()
}

// finish prepares the last segment for more messages.
func (l *loader) finish() error {
	e := l.engine
	all := e.allSegments()
	s, tail := all[len(all)-1], l.tail
	if err := l.note.missing(e.dir, all[0].number, s.number); err != nil {
		return err
	}
	e.epoch = s.epoch
	l.opened.Epoch, l.opened.Cut = e.epoch, tail.torn
	lost := tail.lazy
	life := s.life
	if lost {
		life++
	}
	e.writer.next = header{number: s.number + 1, epoch: s.epoch, epochBefore: s.epoch, life: life, base: s.end()}
	if err := e.reopen(s, tail, lost); err != nil {
		return err
	}
	l.opened.Lost = lost
	l.opened.Lives = int(life)
	l.startLogs(life)
	e.synced.Store(s.end())
	e.table.ForgetEvictions() // they happened in an earlier process
	e.table.Trim()
	return nil
}

// startLogs sets the offsets at which the channels continue.
//
// A channel without messages may have had later ones, of which nothing is left, and a client may have
// the position of one. It may also have been forgotten, and have begun again at the offset of another
// channel. Both are at start or before it, because a note says so before the messages are removed or
// the channel is forgotten. Positions before start are expired for this channel. The offset at which
// it continues is valid: it is that of a client that has missed nothing.
func (l *loader) startLogs(life uint32) {
	e := l.engine
	l.raiseLife(life)
	e.table.Each(func(log *channellog.Log) bool {
		index := log.Store().(*stored)
		index.trim()
		floor, head := log.Floor(), log.Head()
		next := head + uint64(life-index.life)*lift
		if index.Len() == 0 {
			next = max(next, l.start)
			floor, head = next, next
		}
		log.Restored(e.table, 0, 0, floor, head, next)
		return true
	})
	e.table.StartAt(l.start)
	e.movedHead = l.moved
	e.noted.Store(l.start) // last: before, logs would be forgotten that have not been raised
}

// raiseLife raises start and moved above the offsets that were lost before a life.
func (l *loader) raiseLife(life uint32) {
	lost := uint64(life-l.life) * lift
	l.start += lost
	l.moved += lost
	l.life = life
}

// reopen makes the last segment the one that is written, unless it may have lost its end or is full.
func (e *Engine) reopen(s *segment, tail *scan, lost bool) error {
	w := &e.writer
	w.last, s.sealed = s, false
	if tail.torn > 0 {
		if err := e.takeBack(tail.torn); err != nil {
			return fmt.Errorf("cut off the torn end of %s: %w", s.path, err)
		}
	}
	// What was found may be in memory of the system only, if the process ended without the machine.
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("wait until the disk has %s: %w", s.path, err)
	}
	e.target = s.number
	switch full := s.size >= int64(s.limit) || s.version < formatVersion; {
	case tail.ended && (lost || full || s.flags&flagRewritten != 0):
		w.last, s.sealed = nil, true
		e.target++
		return nil
	case lost || full:
		w.lost = lost
		e.target++ // the first batch seals it
		return nil
	}
	if w.reserve = s.flags&flagAllocated != 0 && tail.size < int64(s.limit); w.reserve {
		switch err := s.file.Allocate(int64(s.limit)); {
		case err == nil:
			w.reserve = false
		case errors.Is(err, errors.ErrUnsupported): // the directory was moved to another file system
			e.target++
			return nil
		}
	}
	if len(tail.times.entries) > 0 {
		w.used, w.began = true, tail.times.entries[0].at
	}
	for i := range tail.channels {
		c := &tail.channels[i]
		e.numbers = max(e.numbers, c.number)
		if !e.onDisk(c.name, e.table.Limits(c.name)) {
			continue
		}
		if log, _ := e.table.Find(c.name); log != nil {
			index := log.Store().(*stored)
			index.segment, index.number, index.generation = s.number, c.number, e.generation
		}
	}
	return nil
}
