package disk

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// The names of the files in a directory.
const (
	segmentSuffix = ".log"
	hintSuffix    = ".idx"
	newSuffix     = ".new" // of a file that is not complete
)

// formatVersion is the version of new files. An engine reads older ones, and refuses a newer one.
// Format 2 has purge records. A file of format 1 gets no further records.
const formatVersion = 2

// A segment begins with its header, and is a sequence of records after it:
//
//	magic (8), version (4), flags (4), number (8), epoch (8), epoch of the segment before (8),
//	life (4), limit (4), base (8), span (8), checksum (4),
//	zeros (4), note (2 times: start (8), oldest (8), newest (8), checksum (4))
//
// Base is the position of the segment in the log: the sum of the lengths of all segments before.
// Span is 0, or the length that a segment had which was rewritten since. Limit is the size that
// was reserved for the file. The note is the only part that is written later, see [note].
const (
	magic      = "BOREASL1"
	headerSize = 128
	numberAt   = 16 // places of fields
	epochAt    = 32 // of the segment before
	lifeAt     = 40
	baseAt     = 48
	headerSum  = 64
	noteAt     = 72
	noteSize   = 28

	flagAllocated = 1 // the file has the size limit until it is sealed
	flagRewritten = 2 // dead records were left out, and the others are sorted by channel
)

// header is the parsed header of a segment.
type header struct {
	version     uint32 // 0 is formatVersion
	flags       uint32
	number      uint64
	epoch       uint64
	epochBefore uint64
	life        uint32
	limit       uint32
	base        int64
	span        int64
	note
}

// A note is what a segment says about other files and about messages that are not in the log any
// more. It is written in place, because there may be no room for anything else, and twice, so that
// one is whole if the write is interrupted. The highest values of all segments are valid.
type note struct {
	start  uint64 // offset at which channels start that have no messages in the log
	oldest uint64 // no segment from this one on was removed
	newest uint64 // the segments up to this one exist
}

func (n note) append(dst []byte) []byte {
	for range 2 {
		at := len(dst)
		dst = order.AppendUint64(dst, n.start)
		dst = order.AppendUint64(dst, n.oldest)
		dst = order.AppendUint64(dst, n.newest)
		dst = order.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
	}
	return dst
}

// raise raises the values to those of another note.
func (n *note) raise(to note) {
	n.start, n.oldest, n.newest = max(n.start, to.start), max(n.oldest, to.oldest), max(n.newest, to.newest)
}

// parseNote reads a note from its two places. It returns false if both are damaged.
func parseNote(b []byte) (n note, ok bool) {
	for ; len(b) >= noteSize; b = b[noteSize:] {
		if crc32.Checksum(b[:noteSize-4], castagnoli) == order.Uint32(b[noteSize-4:]) {
			n.raise(note{order.Uint64(b), order.Uint64(b[8:]), order.Uint64(b[16:])})
			ok = true
		}
	}
	return n, ok
}

func (h *header) append(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, magic...)
	dst = order.AppendUint32(dst, cmp.Or(h.version, formatVersion))
	dst = order.AppendUint32(dst, h.flags)
	dst = order.AppendUint64(dst, h.number)
	dst = order.AppendUint64(dst, h.epoch)
	dst = order.AppendUint64(dst, h.epochBefore)
	dst = order.AppendUint32(dst, h.life)
	dst = order.AppendUint32(dst, h.limit)
	dst = order.AppendUint64(dst, uint64(h.base))
	dst = order.AppendUint64(dst, uint64(h.span))
	dst = order.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
	dst = append(dst, 0, 0, 0, 0)
	return h.note.append(dst)
}

// Errors of parseHeader.
var (
	errMagic        = errors.New("it does not begin as a file of messages does")
	errHeader       = errors.New("the checksum of its header is wrong")
	errNote         = errors.New("the checksum of a part of its header is wrong, at both places")
	errNewerVersion = errors.New("it has a newer format")
)

func parseHeader(b []byte) (h header, err error) {
	if len(b) < headerSize || string(b[:8]) != magic {
		return h, errMagic
	}
	h = header{
		version: order.Uint32(b[8:]), flags: order.Uint32(b[12:]), number: order.Uint64(b[16:]),
		epoch: order.Uint64(b[24:]), epochBefore: order.Uint64(b[32:]), life: order.Uint32(b[40:]), limit: order.Uint32(b[44:]),
		base: int64(order.Uint64(b[48:])), span: int64(order.Uint64(b[56:])),
	}
	if crc32.Checksum(b[:headerSum], castagnoli) != order.Uint32(b[headerSum:]) {
		return h, errHeader
	}
	if h.version < 1 || h.version > formatVersion {
		return h, errNewerVersion
	}
	if order.Uint32(b[headerSum+4:]) != 0 {
		return h, errHeader
	}
	var ok bool
	if h.note, ok = parseNote(b[noteAt:headerSize]); !ok {
		return h, errNote
	}
	return h, nil
}

// A segment is one file of the log.
type segment struct {
	// Immutable once the engine has the segment, except the note, which Engine.changing guards.
	header
	file file
	path string
	slot int // its place in Engine.slots

	// Owned by the writer while the segment is the last one, then immutable.
	size   int64 // bytes written
	whole  int64 // what live would be if all messages were kept
	purged bool  // it has purge records
	sealed bool

	// Owned by the compactor.
	hinted bool // it has a hint
	sorted bool // sorting it has no use
	skip   bool // it could not be read or written

	live  atomic.Int64 // bytes of the kept messages' records, about
	count atomic.Int64 // number of kept messages

	mu     sync.RWMutex // guards the fields below
	times  timeTable
	large  map[int64]int64 // place of a message to the size of its data, if an address cannot hold it
	newest clock.Mono      // when the newest message was accepted
}

// end returns the position in the log after the segment.
func (s *segment) end() int64 {
	if s.flags&flagRewritten != 0 {
		return s.base + s.span
	}
	return s.base + s.size
}

// accepted returns when the message at a place was accepted, or an earlier moment that is near. In
// a segment whose messages are sorted by channel it returns a later moment.
func (s *segment) accepted(place int64) clock.Mono {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.flags&flagRewritten != 0 {
		return s.newest
	}
	return s.times.at(place)
}

// addTime records that the messages from the place on were accepted at the moment.
func (s *segment) addTime(place int64, at clock.Mono) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times.add(place, at)
	s.newest = max(s.newest, at)
}

func (s *segment) addLarge(place, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.large == nil {
		s.large = make(map[int64]int64)
	}
	s.large[place] = size
}

// maxTimes is the maximum number of entries of a timeTable: 64 KiB for each segment.
const maxTimes = 4096

// A timeTable says when the messages of a segment were accepted, with the precision that it has
// room for.
type timeTable struct {
	entries []timeEntry // in the order of both fields
	pause   clock.Mono  // between two entries, at least
}

type timeEntry struct {
	place int64
	at    clock.Mono
}

func (t *timeTable) add(place int64, at clock.Mono) {
	if n := len(t.entries); n > 0 && at-t.entries[n-1].at <= t.pause {
		return
	}
	if len(t.entries) == maxTimes {
		for i := range maxTimes / 2 {
			t.entries[i] = t.entries[2*i]
		}
		t.entries = t.entries[:maxTimes/2]
		t.pause = max(2*t.pause, 1e6)
	}
	t.entries = append(t.entries, timeEntry{place, at})
}

// at returns the moment of the last entry at the place or before.
func (t *timeTable) at(place int64) clock.Mono {
	i := sort.Search(len(t.entries), func(i int) bool { return t.entries[i].place > place })
	if i == 0 {
		return 0
	}
	return t.entries[i-1].at
}

// segmentName returns the name of the segment with the number.
func segmentName(number uint64) string { return fmt.Sprintf("%016d%s", number, segmentSuffix) }

func segmentPath(dir string, number uint64) string { return filepath.Join(dir, segmentName(number)) }

// hintPath returns the name of the hint of the segment with the path.
func hintPath(path string) string { return strings.TrimSuffix(path, segmentSuffix) + hintSuffix }

// segmentNumber returns the number in a segment's name.
func segmentNumber(name string) (uint64, bool) {
	text, is := strings.CutSuffix(name, segmentSuffix)
	n, err := strconv.ParseUint(text, 10, 64)
	return n, is && err == nil && segmentName(n) == name
}

// createSegment creates the file of a segment, and waits until the disk has it.
func createSegment(fsys fileSystem, dir string, h header) (*segment, error) {
	path := segmentPath(dir, h.number)
	if err := fsys.Remove(path + newSuffix); err != nil {
		return nil, err
	}
	f, err := fsys.Open(path+newSuffix, true)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*segment, error) {
		f.Close()                     //nolint:errcheck // it is discarded
		fsys.Remove(path + newSuffix) //nolint:errcheck // the next attempt removes it
		return nil, err
	}
	switch err := f.Allocate(int64(h.limit)); {
	case err == nil:
		h.flags |= flagAllocated
	case !errors.Is(err, errors.ErrUnsupported):
		return fail(err)
	}
	if _, err := f.WriteAt(h.append(nil), 0); err != nil {
		return fail(err)
	}
	if err := f.Sync(); err != nil {
		return fail(err)
	}
	if err := fsys.Rename(path+newSuffix, path); err != nil {
		return fail(err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &segment{header: h, file: f, path: path, size: headerSize, newest: never}, nil
}
