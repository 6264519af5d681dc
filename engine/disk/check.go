package disk

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/boreas-pubsub/boreas/v2/internal/dirlock"
)

// A Report describes a directory that [Check] has read, or [Repair] has repaired.
type Report struct {
	Segments int   // files of messages
	Bytes    int64 // their size
	Messages int64 // whole messages without a hole after them; [Open] may drop some that are old
	Channels int64 // channels of these messages

	// Damage has the damaged places in the order of the files, at most 100 of each file. Open
	// accepts the directory if it is empty.
	Damage []DamageError

	// Cut is the size in bytes of a torn batch at the end, which was never acknowledged. Open cuts
	// it off.
	Cut int64

	// Dropped is how many messages Repair drops because of the damage: those that are damaged, and
	// those of the same channels before them. It is -1 if that is unknown because files are missing
	// or larger parts of them are damaged.
	Dropped int64

	// Epoch is the epoch of the log, or 0 if there is none.
	Epoch uint64
}

// Check reads all files of a directory and looks for damage. It changes nothing, and the directory
// must not be in use. Progress, if not nil, is called from the same goroutine with the bytes that
// were read so far and the bytes of all segments.
//
// Damage is part of the report, and not an error. Errors: [ErrInUse], a [*VersionError], those of
// ctx and of the file system.
func Check(ctx context.Context, dir string, progress func(read, all int64)) (Report, error) {
	s, unlock, err := newSurvey(dir)
	if err != nil {
		return Report{}, err
	}
	defer unlock()
	if err := s.read(ctx, progress); err != nil {
		return Report{}, err
	}
	return s.report, nil
}

// maxListed is the maximum number of damaged places in a report, for each file.
const maxListed = 100

// A survey reads a directory that may be damaged.
type survey struct {
	dir      string
	files    fileSystem
	parts    []*part // one for each number, oldest first
	channels map[string]*tally
	notes    note // of all parts

	// incomplete means that segments before the first one are missing.
	incomplete bool

	report Report
}

// A part is a segment in a survey.
type part struct {
	number  uint64
	path    string
	missing bool
	known   bool // the header is whole
	foreign bool // it belongs to another log, or to another place in this one
	header  header
	life    uint32
	size    int64 // of the file
	end     int64 // place after the last whole record
	ended   bool
	badHint bool  // the hint says something else, and Open would believe it
	bad     int64 // place after the last damaged record, 0 if there is none
	damage  []DamageError
}

// A tally counts the messages of a channel.
type tally struct {
	n     int64  // without a hole
	last  uint64 // offset of the last one
	part  int    // its segment
	place int64
	life  uint32
}

// newSurvey locks a directory.
func newSurvey(dir string) (s *survey, unlock func(), err error) {
	abs, err := filepath.Abs(dir) // for messages
	if err != nil {
		return nil, nil, err
	}
	lock, err := dirlock.Acquire(abs, lockName)
	if err != nil {
		return nil, nil, fmt.Errorf("lock the directory %s: %w", abs, err)
	}
	return &survey{dir: abs, files: osFileSystem{}}, func() { lock.Close() }, nil //nolint:errcheck // nothing was written to it
}

// read reads the directory, and fills in parts and the report.
func (s *survey) read(ctx context.Context, progress func(read, all int64)) error {
	s.parts, s.report, s.channels, s.incomplete = nil, Report{}, make(map[string]*tally), false
	numbers, _, err := findSegments(s.files, s.dir)
	if err != nil {
		return err
	}
	var all, read int64
	for i, n := range numbers {
		if i > 0 {
			if err := s.addMissing(numbers[i-1]+1, n, missingSegment); err != nil {
				return err
			}
		}
		p := &part{number: n, path: segmentPath(s.dir, n)}
		s.parts = append(s.parts, p)
		if err := s.open(p, func(f file) error { return s.readHeader(p, f) }); err != nil {
			return err
		}
		all += p.size
	}
	s.judge()
	if err := s.checkNotes(); err != nil {
		return err
	}
	s.guessLives()
	count := func(n int64) error {
		if read += n; progress != nil {
			progress(min(read, all), all)
		}
		return ctx.Err()
	}
	for i, p := range s.parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		if p.missing {
			continue
		}
		if err := s.open(p, func(f file) error { return s.readPart(i, f, count) }); err != nil {
			return err
		}
	}
	s.finish()
	return nil
}

// addMissing adds segments that are missing: those from one number on, and before another one.
func (s *survey) addMissing(from, before uint64, damage func(path string) *DamageError) error {
	if from < before && before-from > maxSlots {
		return fmt.Errorf("%d files are missing between %s and %s: move those out of the directory that do not belong to it",
			before-from, segmentPath(s.dir, from-1), segmentName(before))
	}
	for n := from; n < before; n++ {
		path := segmentPath(s.dir, n)
		s.parts = append(s.parts, &part{number: n, path: path, missing: true, damage: []DamageError{*damage(path)}})
		s.report.Dropped = -1
	}
	return nil
}

// checkNotes looks for segments that are missing before the first and after the last one.
func (s *survey) checkNotes() error {
	if len(s.parts) == 0 {
		return nil
	}
	s.notes = note{}
	for _, p := range s.parts {
		if p.placed() {
			s.notes.raise(p.header.note)
		}
	}
	if s.parts[0].number > s.notes.oldest && s.notes != (note{}) {
		s.report.Damage = append(s.report.Damage, *missingBefore(segmentPath(s.dir, s.notes.oldest)))
		s.incomplete = true
		s.report.Dropped = -1
	}
	return s.addMissing(s.parts[len(s.parts)-1].number+1, s.notes.newest+1, missingAfter)
}

func (s *survey) open(p *part, use func(f file) error) error {
	f, err := s.files.Open(p.path, false)
	if err != nil {
		return err
	}
	return errors.Join(use(f), f.Close())
}

// readHeader reads the header of a part.
func (s *survey) readHeader(p *part, f file) error {
	var err error
	if p.size, err = f.Size(); err != nil {
		return err
	}
	r := &scanner{path: p.path, file: f, size: p.size}
	p.header, err = r.header()
	if d, is := asDamage(err); is {
		if p.damage = append(p.damage, *d); d.Offset == noteAt {
			p.known = true // the rest is whole
		} else {
			p.header = header{}
		}
		return nil
	}
	p.known = err == nil
	return err
}

// judge finds the parts that are not of this log. The log is the one to which most files belong.
// Its epochs follow one another, and its positions grow.
func (s *survey) judge() {
	logs := make(map[uint64]uint64) // from each epoch to another one of the same log
	find := func(epoch uint64) uint64 {
		for logs[epoch] != 0 && logs[epoch] != epoch {
			epoch = logs[epoch]
		}
		return epoch
	}
	for _, p := range s.parts {
		if p.known {
			logs[find(p.header.epochBefore)] = find(p.header.epoch)
		}
	}
	count := make(map[uint64]int)
	var most uint64
	for _, p := range s.parts {
		if !p.known {
			continue
		}
		log := find(p.header.epoch)
		if count[log]++; count[log] >= count[most] {
			most = log
		}
	}
	var after *part
	for i := len(s.parts) - 1; i >= 0; i-- {
		p := s.parts[i]
		if !p.known {
			continue
		}
		h := p.header
		p.foreign = h.number != p.number || find(h.epoch) != most
		if after != nil && !p.foreign {
			next := after.header
			p.foreign = h.base > next.base || h.life > next.life || after.number == p.number+1 && h.epoch != next.epochBefore
		}
		if !p.foreign {
			after = p
		}
	}
}

// guessLives gives each part its life: its own, or that of a neighbour if it has no header of this
// log.
func (s *survey) guessLives() {
	var before *part
	for i, p := range s.parts {
		next := s.placedAfter(i)
		switch {
		case p.placed():
			p.life, before = p.header.life, p
		case before != nil:
			p.life = before.life
		case next != nil:
			p.life = next.header.life
		}
	}
}

// readPart reads a segment.
func (s *survey) readPart(i int, f file, read func(n int64) error) error {
	p := s.parts[i]
	r := &scanner{path: p.path, file: f, size: p.size, last: i == len(s.parts)-1, now: exactTimes, window: -1, read: read}
	if err := read(min(p.size, headerSize)); err != nil {
		return err
	}
	sal, err := r.salvage(p.header, p.known)
	if err != nil {
		return err
	}
	p.end, p.ended, p.bad = sal.end, sal.ended, sal.damaged
	p.damage = append(p.damage, sal.found...)
	if !p.known {
		p.bad = max(p.bad, headerSize)
	}
	s.checkPlace(i)
	if r.last {
		s.report.Cut = sal.torn
	} else if hint, ok := readHint(s.files, p.path, f, p.size, exactTimes, -1, new(scanRoom)); ok && p.whole() && !hint.sameContent(sal.scan) {
		p.badHint = true
	}
	if p.foreign || sal.lost < 0 {
		s.report.Dropped = -1
	}
	if p.foreign {
		return nil
	}
	s.drop(sal.lost + sal.cut)
	s.count(i, sal.scan)
	return nil
}

// checkPlace looks whether the part follows the one before.
func (s *survey) checkPlace(i int) {
	p := s.parts[i]
	var before *header
	var end int64
	if i > 0 && s.parts[i-1].whole() {
		b := s.parts[i-1]
		before, end = &b.header, (&segment{header: b.header, size: b.end}).end()
	}
	switch {
	case !p.known:
	case p.foreign && p.header.number == p.number:
		p.damage = append(p.damage, DamageError{p.path, epochAt, "it belongs to another log, or to another place in this one"})
	default:
		if d, is := asDamage(checkChain(p.path, before, p.header, p.number, end)); is {
			p.damage = append(p.damage, *d)
		}
	}
}

// placed reports whether the place of the part in the log is known.
func (p *part) placed() bool { return !p.missing && p.known && !p.foreign }

// whole reports whether nothing is wrong with the part itself.
func (p *part) whole() bool { return p.placed() && len(p.damage) == 0 }

// count counts the messages of a segment. Messages before a hole in their channel are not counted.
func (s *survey) count(i int, sc *scan) {
	life := s.parts[i].life
	for _, c := range sc.channels {
		n := len(c.addresses)
		t := s.channels[c.name]
		if c.purged > 0 && t != nil {
			t.n = 0
		}
		if n == 0 {
			continue
		}
		if t == nil {
			t = &tally{life: life}
			s.channels[c.name] = t
		}
		if t.n > 0 && c.first != t.last+1+uint64(life-t.life)*lift {
			if s.damagedBetween(t, i, placeOf(c.addresses[0])) {
				s.drop(t.n)
			}
			t.n = 0
		}
		*t = tally{n: t.n + int64(n), last: c.last, part: i, place: placeOf(c.addresses[n-1]), life: life}
	}
}

// damagedBetween reports whether there is damage between the last message of a channel and the place
// in part i. Without damage, a hole means that the channel was forgotten meanwhile, and its messages
// before the hole had expired.
func (s *survey) damagedBetween(t *tally, i int, place int64) bool {
	if s.parts[t.part].bad > t.place {
		return true
	}
	for _, p := range s.parts[t.part+1 : i] {
		if !p.whole() {
			return true
		}
	}
	return t.part < i && s.parts[i].bad > 0
}

// drop counts dropped messages.
func (s *survey) drop(n int64) {
	if s.report.Dropped >= 0 {
		s.report.Dropped += n
	}
}

// finish sums up the report.
func (s *survey) finish() {
	r := &s.report
	for _, p := range s.parts {
		r.Damage = append(r.Damage, p.damage...)
		if p.badHint {
			r.Damage = append(r.Damage, DamageError{hintPath(p.path), 0, "its segment has other content"})
		}
		if p.missing {
			continue
		}
		r.Segments++
		r.Bytes += p.size
		if p.placed() {
			r.Epoch = p.header.epoch
		}
	}
	for _, t := range s.channels {
		if t.n > 0 {
			r.Messages += t.n
			r.Channels++
		}
	}
}
