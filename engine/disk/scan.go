package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// scanWindow is how many bytes of a segment are read at once.
const scanWindow = 1 << 20

// A scan has what a segment contains.
type scan struct {
	header   header
	size     int64 // of the file
	end      int64 // place after the last whole record
	ended    bool  // that record is an end
	lazy     bool  // the last mark says so
	torn     int64 // bytes after end that are not zeros
	channels []scannedChannel
	keys     []scannedKey
	times    timeTable
	large    map[int64]int64
	newest   clock.Mono // never if there is no mark
	messages int64
	whole    int64 // what segment.live would be if all messages were kept
	skipped  int64 // messages that a later hole in their channel makes useless
	cut      int64 // those of them whose hole is damage
}

// never is the time of the newest message of a segment without messages. Its distance to other
// moments can be computed.
const never = clock.Mono(-1 << 62)

// scannedChannel has the messages of one channel in a segment.
type scannedChannel struct {
	name      string
	number    uint32
	addresses []address // with slot 0
	first     uint64    // offset of the first address
	last      uint64    // offset of the newest message, also of a dropped one, 0 if there is none
	purged    uint64    // offset of the last purge record, 0 if there is none
	bytes     int64     // of the data
}

// scannedKey is a key of a message that may still be remembered.
type scannedKey struct {
	channel  int
	offset   uint64
	accepted clock.Mono
	key      string
	data     []byte
}

// A scanner reads a segment.
type scanner struct {
	path   string
	file   io.ReaderAt
	last   bool                // the segment is the last one, whose end may be torn
	now    now                 // for the conversion of times
	window clock.Mono          // keys that are older are left out; none are wanted if it is negative
	read   func(n int64) error // may be nil

	size   int64
	buffer []byte
	start  int64 // place of the buffer in the file
}

// at returns n bytes at a place, or fewer at the end of the file. They are valid until the next
// call.
func (r *scanner) at(place, n int64) ([]byte, error) {
	n = min(n, r.size-place)
	if place >= r.start && place+n <= r.start+int64(len(r.buffer)) {
		return r.buffer[place-r.start:][:n], nil
	}
	want := min(max(n, scanWindow), r.size-place)
	if int64(cap(r.buffer)) < want {
		r.buffer = make([]byte, want)
	}
	r.buffer, r.start = r.buffer[:want], place
	if _, err := r.file.ReadAt(r.buffer, place); err != nil && !errors.Is(err, io.EOF) {
		r.buffer = r.buffer[:0]
		return nil, fmt.Errorf("read %s at byte %d: %w", r.path, place, err)
	}
	if r.read != nil {
		if err := r.read(want); err != nil {
			return nil, err
		}
	}
	return r.buffer[:n], nil
}

// record parses the record at a place.
func (r *scanner) record(place int64) (kind byte, body []byte, n int64, err error) {
	b, err := r.at(place, recordHead)
	if err != nil {
		return 0, nil, 0, err
	}
	kind, body, size, err := parseRecord(b)
	if err == errShort && size > 0 && place+int64(size) <= r.size {
		if b, err = r.at(place, int64(size)); err != nil {
			return 0, nil, 0, err
		}
		kind, body, size, err = parseRecord(b)
	}
	return kind, body, int64(size), err
}

func (r *scanner) damage(place int64, format string, args ...any) error {
	return &DamageError{r.path, place, fmt.Sprintf(format, args...)}
}

// header reads the header.
func (r *scanner) header() (header, error) {
	b, err := r.at(0, headerSize)
	if err != nil {
		return header{}, err
	}
	h, err := parseHeader(b)
	switch {
	case errors.Is(err, errNewerVersion):
		return h, &VersionError{r.path, h.version}
	case errors.Is(err, errNote):
		return h, r.damage(noteAt, "%v", err)
	case err != nil:
		return h, r.damage(0, "%v", err)
	}
	return h, nil
}

// scan reads the whole segment. The error is a [DamageError], a [VersionError] or one of the file.
func (r *scanner) scan() (*scan, error) {
	h, err := r.header()
	if err != nil {
		return nil, err
	}
	s := r.begin(h)
	for s.end < r.size {
		kind, body, n, err := r.record(s.end)
		if err != nil {
			if isReadError(err) {
				return nil, err
			}
			if err := r.tail(s.scan, err); err != nil {
				return nil, err
			}
			break
		}
		if err := s.take(kind, body); err != nil {
			return nil, r.damage(s.end, "%v", err)
		}
		s.end += n
	}
	return s.scan, r.finish(s.scan)
}

// A reading is the state of a scan.
type reading struct {
	*scan
	scanner *scanner
	at      clock.Mono // time of the last mark
	damaged int64      // place after the last damage, 0 if there is none

	// Index in channels of each channel number: plus one for numbers below maxRecent, which are
	// nearly all.
	recent  []int
	numbers map[uint32]int
}

// maxRecent is the number below which channel numbers are found in a slice.
const maxRecent = 1 << 22

func (r *scanner) begin(h header) *reading {
	return &reading{
		scan:    &scan{header: h, size: r.size, end: headerSize, newest: never},
		scanner: r, numbers: make(map[uint32]int),
	}
}

// find returns the index of the channel with the number.
func (s *reading) find(number uint32) (int, bool) {
	if int64(number) < int64(len(s.recent)) {
		return s.recent[number] - 1, s.recent[number] > 0
	}
	i, known := s.numbers[number]
	return i, known
}

// take adds the record at s.end.
func (s *reading) take(kind byte, body []byte) error {
	s.ended = false
	switch kind {
	case markRecord:
		m, err := parseMark(body)
		if err != nil {
			return err
		}
		s.lazy = m.lazy
		s.at = s.scanner.now.moment(m.time)
		s.times.add(s.end, s.at)
		s.newest = max(s.newest, s.at)
	case defineRecord:
		number, name, err := parseDefine(body)
		if err != nil {
			return err
		}
		return s.define(number, name)
	case messageRecord:
		m, err := parseMessage(body)
		if err != nil {
			return err
		}
		i, known := s.find(m.number)
		if !known {
			return fmt.Errorf("a message of channel number %d, which has no name", m.number)
		}
		if err := s.add(i, m); err != nil {
			return err
		}
		r := s.scanner
		if s.damaged > 0 { // the mark may be lost
			s.newest = max(s.newest, r.now.moment(m.time))
		}
		if len(m.key) > 0 && r.window >= 0 && r.now.mono-s.at <= r.window {
			s.keys = append(s.keys, scannedKey{i, m.offset, r.now.moment(m.time), string(m.key), append([]byte(nil), m.data...)})
		}
	case purgeRecord:
		number, offset, err := parsePurge(body)
		if err != nil {
			return err
		}
		i, known := s.find(number)
		if !known {
			return fmt.Errorf("a purge of channel number %d, which has no name", number)
		}
		return s.purge(i, offset)
	case endRecord:
		if len(body) > 0 {
			return errRecord
		}
		s.ended = true
	default:
		return fmt.Errorf("a record of the unknown kind %d", kind)
	}
	return nil
}

// define records the number of a channel.
func (s *reading) define(number uint32, name []byte) error {
	if i, known := s.find(number); known {
		if s.channels[i].name != string(name) {
			return fmt.Errorf("channel number %d has two names", number)
		}
		return nil
	}
	s.channels = append(s.channels, scannedChannel{name: string(name), number: number})
	if number >= maxRecent {
		s.numbers[number] = len(s.channels) - 1
		return nil
	}
	for int64(number) >= int64(len(s.recent)) {
		s.recent = append(s.recent, make([]int, max(1024, len(s.recent)))...)
	}
	s.recent[number] = len(s.channels)
	return nil
}

var errOrder = errors.New("the offset is not after that of the message before")

// add adds the message at s.end.
func (s *reading) add(channel int, m message) error {
	c, place := &s.channels[channel], s.end
	switch {
	case m.offset <= c.last:
		return errOrder
	case m.offset != c.last+1 && len(c.addresses) > 0:
		// The channel was forgotten when it had no messages any more, and began again. Or some of
		// its messages are damaged, and what is before them is not complete.
		n := int64(len(c.addresses))
		s.messages -= n
		if s.skipped += n; placeOf(c.addresses[n-1]) < s.damaged {
			s.cut += n
		}
		c.addresses, c.bytes = nil, 0
	}
	if len(c.addresses) == 0 {
		c.first = m.offset
	}
	c.last = m.offset
	c.bytes += int64(len(m.data))
	c.addresses = append(c.addresses, newAddress(0, place, len(m.data)))
	if len(m.data) >= 1<<sizeBits {
		s.addLarge(place, int64(len(m.data)))
	}
	s.whole += messageOverhead + int64(len(m.data))
	s.messages++
	return nil
}

// purge drops the messages of a channel so far.
func (s *reading) purge(channel int, offset uint64) error {
	c := &s.channels[channel]
	if offset < c.last {
		return errOrder
	}
	s.messages -= int64(len(c.addresses))
	c.addresses, c.bytes, c.first, c.last, c.purged = nil, 0, 0, offset, offset
	return nil
}

// hasPurges reports whether the segment has purge records.
func (s *scan) hasPurges() bool {
	return slices.ContainsFunc(s.channels, func(c scannedChannel) bool { return c.purged > 0 })
}

func (s *scan) addLarge(place, size int64) {
	if s.large == nil {
		s.large = make(map[int64]int64)
	}
	s.large[place] = size
}

// isReadError reports whether an error is of the file, and not of its content.
func isReadError(err error) bool {
	return !errors.Is(err, errShort) && !errors.Is(err, errChecksum) && !errors.Is(err, errRecord)
}

// tail looks at what comes after the last whole record. It returns an error if that is damage.
func (r *scanner) tail(s *scan, cause error) error {
	last, err := r.lastByte(s.end)
	if err != nil {
		return err
	}
	if last < s.end {
		return nil // zeros only: reserved space
	}
	if s.torn = last + 1 - s.end; !r.last {
		return r.damage(s.end, "%v", cause)
	}
	return r.laterMark(s, cause)
}

// laterMark returns an error if a record after the end says that the end was on disk.
func (r *scanner) laterMark(s *scan, cause error) error {
	for place := s.end + 1; place < s.end+s.torn; place++ {
		b, err := r.at(place, markSize)
		if err != nil {
			return err
		}
		if len(b) < recordHead || b[8] != markRecord && b[8] != endRecord {
			continue
		}
		kind, body, _, err := parseRecord(b)
		if err != nil {
			continue
		}
		if m, err := parseMark(body); kind == endRecord || err == nil && m.synced > s.header.base+s.end {
			return r.damage(s.end, "%v, and a record at byte %d says that it was on disk", cause, place)
		}
	}
	return nil
}

// zeros is compared with what was read.
var zeros [scanWindow]byte

// lastByte returns the place of the last byte that is not zero, or a place before from.
func (r *scanner) lastByte(from int64) (int64, error) {
	last := from - 1
	for place := from; place < r.size; {
		b, err := r.at(place, scanWindow)
		if err != nil {
			return 0, err
		}
		// Most of it is reserved space. Comparing is much faster than looking at each byte.
		if !bytes.Equal(b, zeros[:len(b)]) {
			last = place + int64(len(bytes.TrimRight(b, "\x00"))) - 1
		}
		place += int64(len(b))
	}
	return last, nil
}

// finish returns an error if the segment is not complete.
func (r *scanner) finish(s *scan) error {
	switch {
	case !r.last && !s.ended:
		return r.damage(s.end, "the end of the file is missing")
	case r.last && !s.ended && s.header.flags&flagAllocated != 0 && r.size < int64(s.header.limit):
		return r.damage(r.size, "the file is shorter than it was made")
	}
	return nil
}
