package disk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// Repair makes a directory that [Open] refuses usable again. It keeps the messages that are whole,
// but of each channel only those after its last hole, and drops the rest. Then it begins a new
// epoch, because positions of dropped messages are known to clients. It changes nothing if
// nothing is damaged.
//
// The report describes the damage that was found, and the directory as it is afterwards. Progress
// is called as in [Check], for a second time after the repair, when the result is checked. After an
// interrupted repair Open still refuses the directory: repeat the repair. The disk needs room for
// one more segment.
//
// Errors: [ErrInUse], a [*VersionError], those of ctx and of the file system.
func Repair(ctx context.Context, dir string, progress func(read, all int64)) (Report, error) {
	s, unlock, err := newSurvey(dir)
	if err != nil {
		return Report{}, err
	}
	defer unlock()
	return s.repair(ctx, progress)
}

// NewEpoch begins a new epoch of the log in a directory. Positions that clients have become
// unknown, and the messages stay. It must be called after a backup was restored: positions that
// were given out after the backup would belong to other messages otherwise.
//
// Errors: [ErrInUse], a [*DamageError], a [*VersionError], those of the file system.
func NewEpoch(dir string) (epoch uint64, err error) {
	s, unlock, err := newSurvey(dir)
	if err != nil {
		return 0, err
	}
	defer unlock()
	return s.newEpoch()
}

func (s *survey) newEpoch() (epoch uint64, err error) {
	numbers, err := segmentNumbers(s.files, s.dir)
	if err != nil {
		return 0, err
	}
	if len(numbers) == 0 {
		return 0, fmt.Errorf("%s has no messages: it needs no new epoch", s.dir)
	}
	n := numbers[len(numbers)-1]
	p := &part{number: n, path: segmentPath(s.dir, n)}
	err = s.open(p, func(f file) error {
		size, err := f.Size()
		if err != nil {
			return err
		}
		r := &scanner{path: p.path, file: f, size: size, last: true, now: currentTime(), window: -1}
		sc, err := r.scan()
		if err != nil {
			return err
		}
		p.header, p.end, p.ended = sc.header, sc.end, sc.ended
		return s.endFile(p, f)
	})
	if err != nil {
		return 0, err
	}
	if epoch, err = s.beginEpoch(p, p.header.note); err != nil {
		return 0, err
	}
	return epoch, s.saveNote(p)
}

// newEpoch returns an epoch that is not the other one. 40 random bits keep the text of positions
// short.
func newEpoch(other uint64) uint64 {
	for {
		var b [8]byte
		rand.Read(b[:5]) // never fails, see crypto/rand
		if epoch := order.Uint64(b[:]) + 1; epoch != other {
			return epoch
		}
	}
}

// endFile ends the last segment where its whole records end.
func (s *survey) endFile(p *part, f file) error {
	if !p.ended {
		if err := f.Sync(); err != nil { // an end says that everything before it is on disk
			return fmt.Errorf("wait until the disk has %s: %w", p.path, err)
		}
		if _, err := f.WriteAt(appendEnd(nil), p.end); err != nil {
			return fmt.Errorf("write the end of %s: %w", p.path, err)
		}
		p.end += endSize
		p.ended = true
	}
	// The end is on disk before the file is cut, so that it is never shorter than it was made.
	for _, step := range []func() error{f.Sync, func() error { return f.Truncate(p.end) }, f.Sync} {
		if err := step(); err != nil {
			return fmt.Errorf("end %s: %w", p.path, err)
		}
	}
	return nil
}

// beginEpoch creates a segment with a new epoch after the last one.
func (s *survey) beginEpoch(last *part, n note) (uint64, error) {
	h := last.header
	n.newest = h.number + 1
	next, err := createSegment(s.files, s.dir, header{
		number: n.newest, epoch: newEpoch(h.epoch), epochBefore: h.epoch, life: h.life, limit: minSegment,
		base: (&segment{header: h, size: last.end}).end(), note: n,
	})
	if err != nil {
		return 0, fmt.Errorf("create %s: %w", segmentPath(s.dir, n.newest), err)
	}
	last.header.note.raise(n)
	return next.epoch, next.file.Close()
}

// saveNote writes the note of a segment that is whole.
func (s *survey) saveNote(p *part) error {
	return s.open(p, func(f file) error {
		if _, err := f.WriteAt(p.header.note.append(nil), noteAt); err != nil {
			return fmt.Errorf("write to %s: %w", p.path, err)
		}
		return f.Sync()
	})
}

// repair repairs the directory.
func (s *survey) repair(ctx context.Context, progress func(read, all int64)) (Report, error) {
	if err := s.read(ctx, progress); err != nil {
		return Report{}, err
	}
	found := s.report
	if len(found.Damage) == 0 {
		return found, nil
	}
	if _, useless, err := findSegments(s.files, s.dir); err != nil {
		return Report{}, err
	} else if err := s.removeAll(useless); err != nil {
		return Report{}, err
	}
	for _, p := range s.parts {
		if p.badHint {
			if err := s.files.Remove(hintPath(p.path)); err != nil {
				return Report{}, err
			}
		}
	}
	if slices.ContainsFunc(s.parts, func(p *part) bool { return !p.whole() }) || s.incomplete {
		if err := s.rebuild(ctx); err != nil {
			return Report{}, err
		}
	}
	if err := s.read(ctx, progress); err != nil {
		return Report{}, err
	}
	if left := s.report.Damage; len(left) > 0 {
		return Report{}, fmt.Errorf("%d places are still damaged after the repair, the first one is: %w", len(left), &left[0])
	}
	s.report.Damage, s.report.Cut, s.report.Dropped = found.Damage, found.Cut, found.Dropped
	return s.report, nil
}

func (s *survey) removeAll(names []string) error {
	for _, name := range names {
		if err := s.files.Remove(filepath.Join(s.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// rebuild writes the damaged segments anew. The new epoch is first: if the repair is interrupted,
// and the rest of the damage is gone, the log must not be continued in the old one.
func (s *survey) rebuild(ctx context.Context) error {
	rebuilt := s.place()
	last := s.parts[len(s.parts)-1]
	if !slices.Contains(rebuilt, last) {
		if err := s.open(last, func(f file) error { return s.endFile(last, f) }); err != nil {
			return err
		}
	}
	s.notes.oldest = s.parts[0].number
	if _, err := s.beginEpoch(last, s.notes); err != nil {
		return err
	}
	if !slices.Contains(rebuilt, last) {
		if err := s.saveNote(last); err != nil {
			return err
		}
	}
	for _, p := range rebuilt {
		if err := s.rebuildPart(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// place gives each part a header that fits its neighbours, and returns the parts that must be
// written anew.
func (s *survey) place() (rebuilt []*part) {
	var position int64 // in the log
	var before *header
	for i, p := range s.parts {
		next := s.placedAfter(i)
		h := p.header
		if !p.placed() {
			h = header{number: p.number, base: position, life: p.life, limit: minSegment}
			switch {
			case next != nil:
				h.epoch = next.header.epochBefore
			case before != nil:
				h.epoch = before.epoch
			default:
				h.epoch = newEpoch(0)
			}
			h.epochBefore = h.epoch
			if before != nil {
				h.epochBefore = before.epoch
			}
		}
		size := max(p.end, headerSize)
		if !p.ended {
			size += endSize
		}
		end := (&segment{header: h, size: size}).end()
		fits := true
		switch {
		case next == nil:
		case next.number == p.number+1:
			end, fits = next.header.base, end == next.header.base
		default:
			end = min(end, next.header.base)
		}
		if p.header = h; !p.whole() || !fits {
			p.header.flags, p.header.span = flagRewritten, end-h.base
			rebuilt = append(rebuilt, p)
		}
		position, before = end, &p.header
	}
	return rebuilt
}

// placedAfter returns the next part whose place in the log is known, or nil.
func (s *survey) placedAfter(i int) *part {
	for _, p := range s.parts[i+1:] {
		if p.placed() {
			return p
		}
	}
	return nil
}

// rebuildPart replaces a segment by one with its whole messages.
func (s *survey) rebuildPart(ctx context.Context, p *part) error {
	temporary := p.path + newSuffix
	if err := s.files.Remove(temporary); err != nil {
		return err
	}
	to, err := s.files.Open(temporary, true)
	if err != nil {
		return err
	}
	if p.missing || p.foreign {
		w := &rewrite{to: to}
		err = w.write(p.header, 0, nil, nil)
	} else {
		err = s.open(p, func(f file) error { return s.copyWhole(ctx, p, f, to) })
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return fmt.Errorf("repair %s: %w", p.path, err)
	}
	if err := s.files.Remove(hintPath(p.path)); err != nil {
		return err
	}
	if err := s.files.Rename(temporary, p.path); err != nil {
		return err
	}
	return s.files.SyncDir(s.dir)
}

// copyWhole copies the whole messages of a damaged segment.
func (s *survey) copyWhole(ctx context.Context, p *part, from, to file) error {
	read := func(int64) error { return ctx.Err() }
	r := &scanner{path: p.path, file: from, size: p.size, now: exactTimes, window: -1, read: read}
	sal, err := r.salvage(header{}, false)
	if err != nil {
		return err
	}
	var groups []group
	for _, c := range sal.channels {
		if len(c.addresses) > 0 || c.purged > 0 {
			groups = append(groups, group{c.name, c.addresses, c.purged, c.number})
		}
	}
	w := &rewrite{from: r, to: to, part: sortBytes}
	return w.write(p.header, exactTimes.wallTime(sal.newest), groups, sal.large)
}
