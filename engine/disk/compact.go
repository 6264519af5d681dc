package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

const (
	// compactPeriod is how often the compactor looks for work.
	compactPeriod = time.Second

	// compactRate is the maximum number of bytes per second that are written to rewritten segments, or
	// read for a hint.
	compactRate = 32 << 20

	// busyRate is how many bytes are published per second when segments are not sorted: at this
	// rate sorting would slow down publishers. A log of some GiB then has new content every few
	// minutes, so that sorting it is of little use.
	busyRate = 8 << 20

	// minSorted is the number of channels in a segment from which on sorting pays. The messages of
	// fewer channels are near enough to each other to be read at once.
	minSorted = 8
)

// errGone means that a segment was removed while it was rewritten.
var errGone = errors.New("the segment was removed")

// compact is the goroutine that rewrites sealed segments and writes hints.
func (e *Engine) compact(ctx context.Context) {
	defer close(e.compacted)
	tick := time.NewTicker(e.options.compactPeriod)
	defer tick.Stop()
	written := e.counters.written.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		before := written
		written = e.counters.written.Load()
		e.compactAll(ctx, written-before > busyRate)
	}
}

// compactAll rewrites the first segment that needs it, and writes hints of those before it.
func (e *Engine) compactAll(ctx context.Context, busy bool) {
	all := e.allSegments()
	for i, s := range all {
		if i == len(all)-1 || ctx.Err() != nil || e.broken.Load() != nil {
			return
		}
		if s.skip || !e.isSealed(s) || !e.pastKeys(s) {
			continue
		}
		var rewritten bool
		var err error
		if runtime.GOOS != "windows" && e.needsRewriting(s, i == 0, busy) { // Windows cannot replace an open file
			rewritten, err = e.rewriteSegment(ctx, s)
		}
		if err == nil && !rewritten && !s.hinted {
			err = e.addHint(ctx, s)
		}
		switch {
		case err == nil && rewritten:
			return
		case err == nil, errors.Is(err, errGone), errors.Is(err, fs.ErrClosed), ctx.Err() != nil:
		case isTemporary(err):
			return // space is for messages
		default:
			s.skip = true
			e.reportFailure(s, err)
		}
	}
}

// reportFailure logs why a segment is left as it is.
func (e *Engine) reportFailure(s *segment, err error) {
	if d, is := asDamage(err); is && d.File == s.path {
		e.log.Error("messages on disk are damaged. The server goes on without them, but will not start with this file: "+
			"put a backup of the directory in its place, or repair it", "file", s.path, "error", err)
		return
	}
	e.log.Warn("cannot sort the messages of a file, or write its hint", "file", s.path, "error", err)
}

func (e *Engine) isSealed(s *segment) bool {
	e.segmentsMu.RLock()
	defer e.segmentsMu.RUnlock()
	return s.sealed
}

// needsRewriting reports whether a segment should be rewritten: because most of it is dead, or, if
// the engine is not busy, to sort it.
func (e *Engine) needsRewriting(s *segment, oldest, busy bool) bool {
	live := s.live.Load()
	switch {
	case s.whole == 0 || oldest && s.count.Load() == 0: // it is empty, or will be removed
		return false
	case 2*live < s.whole:
		return true
	}
	s.mu.RLock()
	age := clock.Now().Sub(s.newest)
	s.mu.RUnlock()
	return !busy && !s.sorted && s.flags&flagRewritten == 0 && age < e.options.Age/4*3 // or it will be removed soon
}

// liveIn returns the kept messages of a segment and their logs, sorted by channel.
func (e *Engine) liveIn(s *segment) (logs []*channellog.Log, groups []group) {
	e.table.Each(func(l *channellog.Log) bool {
		from, to := l.Store().(*stored).in(s.slot)
		if from < to {
			logs = append(logs, l)
			groups = append(groups, group{name: l.Name(), addresses: slices.Clone(l.Store().(*stored).addresses[from:to])})
		}
		return true
	})
	order := make([]int, len(logs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(groups[a].name, groups[b].name) })
	sorted, names := make([]group, len(order)), make([]*channellog.Log, len(order))
	for i, from := range order {
		sorted[i], names[i] = groups[from], logs[from]
	}
	return names, sorted
}

// in returns the part of the index that is in the segment with the slot.
func (s *stored) in(slot int) (from, to int) {
	for from < len(s.addresses) && slotOf(s.addresses[from]) != slot {
		from++
	}
	for to = from; to < len(s.addresses) && slotOf(s.addresses[to]) == slot; {
		to++
	}
	return from, to
}

// rewriteSegment replaces a segment by one that has only its kept messages, sorted by channel. It
// returns false if that has no use.
func (e *Engine) rewriteSegment(ctx context.Context, s *segment) (bool, error) {
	e.changing.Lock()
	full := e.overDisk(s.live.Load())
	e.changing.Unlock()
	if full {
		return false, errNoRoom
	}
	logs, groups := e.liveIn(s)
	if len(groups) < minSorted && 2*s.live.Load() >= s.whole {
		s.sorted = true
		return false, nil
	}
	temporary := s.path + newSuffix
	if err := e.files.Remove(temporary); err != nil {
		return false, err
	}
	to, err := e.files.Open(temporary, true)
	if err != nil {
		return false, err
	}
	next := &segment{file: to, path: s.path, sealed: true, newest: s.newest}
	e.changing.Lock() // for the note
	next.header = s.header
	e.changing.Unlock()
	next.span, next.flags = s.end()-s.base, flagRewritten
	groups, err = e.withPurges(ctx, s, groups)
	var sc *scan
	if err == nil {
		sc, err = e.copyLive(ctx, s, next, temporary, groups)
	}
	if err == nil {
		err = e.replace(s, next, temporary, logs, sc)
	}
	if err != nil {
		to.Close()                //nolint:errcheck // it is discarded
		e.files.Remove(temporary) //nolint:errcheck // the next attempt removes it
		return false, err
	}
	return true, e.saveHint(next, sc)
}

// copyLive writes the file of a rewritten segment, and reads it again to be sure of its content.
func (e *Engine) copyLive(ctx context.Context, s, next *segment, temporary string, groups []group) (*scan, error) {
	p := &pace{ctx: ctx, rate: e.options.compactRate, began: time.Now()}
	s.mu.RLock()
	large := s.large
	s.mu.RUnlock()
	n := currentTime()
	w := &rewrite{from: &scanner{path: s.path, file: s.file, size: s.size, read: p.cancelled}, to: next.file, part: e.options.sortBytes, pace: p.wait}
	if err := w.write(next.header, n.wallTime(s.newest), groups, large); err != nil {
		return nil, err
	}
	e.counters.rewritten.Add(uint64(w.size))
	r := &scanner{path: temporary, file: next.file, size: w.size, now: exactTimes, window: -1, read: p.cancelled}
	sc, err := r.scan()
	if err != nil {
		return nil, err
	}
	channels := sc.channels
	for _, g := range groups {
		n, purged := 0, uint64(0)
		for ; len(channels) > 0 && channels[0].name == g.name; channels = channels[1:] {
			n += len(channels[0].addresses)
			purged = max(purged, channels[0].purged)
		}
		if purged != g.purged {
			return nil, fmt.Errorf("the new file has the purge %d of %s instead of %d", purged, g.name, g.purged)
		}
		if n != len(g.addresses) {
			return nil, fmt.Errorf("the new file has %d messages of %s instead of %d", n, g.name, len(g.addresses))
		}
	}
	if len(channels) > 0 {
		return nil, fmt.Errorf("the new file has messages of %s, which it should not have", channels[0].name)
	}
	next.size, next.large, next.whole, next.purged = w.size, sc.large, sc.whole, sc.hasPurges()
	return sc, nil
}

// replace puts a rewritten segment in the place of the old one.
func (e *Engine) replace(s, next *segment, temporary string, logs []*channellog.Log, sc *scan) error {
	e.changing.Lock()
	defer e.changing.Unlock()
	all := e.allSegments()
	at := slices.Index(all, s)
	if at < 0 || next.note != s.note {
		return errGone
	}
	// The last record of a channel may disappear, and its offsets must never be used again.
	newest := all[len(all)-1]
	n := newest.note
	n.raise(note{start: e.emptyHead()})
	if n != newest.note {
		if err := e.saveNote(newest, n); err != nil {
			return err
		}
	}
	e.segmentsMu.Lock()
	ok := e.takeSlot(next)
	e.segmentsMu.Unlock()
	if !ok {
		return errTooManySegments
	}
	err := e.files.Remove(hintPath(s.path))
	if err == nil {
		err = e.files.Rename(temporary, s.path)
	}
	if err != nil {
		e.slots.set(next.slot, nil)
		return err
	}
	if err := e.files.SyncDir(e.dir); err != nil {
		// Either file is right, so it does not matter which one the disk has.
		e.log.Warn("cannot wait until the disk has the name of a file", "file", s.path, "error", err)
	}
	e.segmentsMu.Lock()
	e.segments[slices.Index(e.segments, s)] = next
	e.segmentsMu.Unlock()
	channels := slices.DeleteFunc(slices.Clone(sc.channels), func(c scannedChannel) bool { return len(c.addresses) == 0 })
	for _, l := range logs {
		var addresses []address
		for ; len(channels) > 0 && channels[0].name == l.Name(); channels = channels[1:] {
			addresses = append(addresses, channels[0].addresses...)
		}
		e.move(l, s, next, addresses)
	}
	e.slots.set(s.slot, nil)
	s.file.Close() //nolint:errcheck // it was only read
	return nil
}

// move gives the messages of a log in a segment their addresses in another one. Some of the oldest
// may have been dropped since the addresses were collected.
func (e *Engine) move(l *channellog.Log, s, next *segment, addresses []address) {
	l.Lock()
	defer l.Unlock()
	index := l.Store().(*stored)
	from, to := index.in(s.slot)
	addresses = addresses[len(addresses)-(to-from):]
	var live int64
	for i, a := range addresses {
		index.addresses[from+i] = a | address(next.slot)<<(placeBits+sizeBits)
		live += messageOverhead + dataSize(a, next.large)
	}
	next.count.Add(int64(len(addresses)))
	next.live.Add(live)
}

// addHint writes the hint of a segment, unless it has one.
func (e *Engine) addHint(ctx context.Context, s *segment) error {
	size, err := s.file.Size()
	if err != nil {
		return err
	}
	if _, ok := readHint(e.files, s.path, s.file, size, exactTimes, 0, new(scanRoom)); ok {
		s.hinted = true
		return nil
	}
	p := &pace{ctx: ctx, rate: e.options.compactRate, began: time.Now()}
	r := &scanner{path: s.path, file: s.file, size: size, now: exactTimes, window: -1, read: p.wait}
	sc, err := r.scan()
	if err != nil {
		return err
	}
	return e.saveHint(s, sc)
}

// saveHint writes the hint of a segment.
func (e *Engine) saveHint(s *segment, sc *scan) error {
	temporary, err := writeHint(e.files, s.path, sc)
	if err != nil {
		return err
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	if !slices.Contains(e.allSegments(), s) {
		return e.files.Remove(temporary)
	}
	err = e.files.Rename(temporary, hintPath(s.path))
	s.hinted = err == nil
	return err
}

// A pace bounds the speed of work.
type pace struct {
	ctx   context.Context
	rate  int64 // bytes per second, 0 for no bound
	began time.Time
	bytes int64
}

// wait waits until n more bytes are within the bound.
func (p *pace) wait(n int64) error {
	p.bytes += n
	if p.rate == 0 {
		return p.ctx.Err()
	}
	t := time.NewTimer(time.Until(p.began.Add(time.Duration(float64(p.bytes) / float64(p.rate) * float64(time.Second)))))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

// cancelled does not wait.
func (p *pace) cancelled(int64) error { return p.ctx.Err() }
