package disk

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// A hint is a file with the result of a scan, beside a sealed segment that is not the newest:
//
//	magic (8), checksum of all that follows (4), version (4),
//	the segment's header up to its note (72), size (8), newest (8),
//	place of the end, skipped, whole, pause of the time table, numbers of its entries, of channels and of messages,
//	for each entry: place after the one before, time (8)
//	for each channel: number, length of its name, name, first offset, last offset after the first,
//	offset of its purge or 0, messages,
//	for each of these: place after the one before, size of the data
//
// Numbers without a size are uvarints. Times are nanoseconds since 1970 UTC. The header and the size
// tie a hint to its segment: when a segment is rewritten, its header changes at the first time, and
// its size each time.
const (
	hintMagic   = "BOREASH1"
	hintVersion = 2
	hintHead    = 16 // bytes before those that the segment decides
)

// exactTimes converts times of the wall clock before the year 2116 to moments that are only good for
// converting them back. It converts the zero time to never.
var exactTimes = now{wall: int64(-never)}

// wall converts a moment back.
func (n now) wallTime(at clock.Mono) int64 { return n.wall - int64(n.mono-at) }

// appendHint appends the hint of a scan that was made with exactTimes.
func appendHint(dst []byte, s *scan) []byte {
	at := len(dst)
	dst = append(dst, hintMagic...)
	dst = append(dst, 0, 0, 0, 0)
	dst = order.AppendUint32(dst, hintVersion)
	dst = append(dst, s.header.append(nil)[:noteAt]...)
	dst = order.AppendUint64(dst, uint64(s.size))
	dst = order.AppendUint64(dst, uint64(exactTimes.wallTime(s.newest)))
	for _, n := range []int64{s.end, s.skipped, s.whole, int64(s.times.pause), int64(len(s.times.entries)), int64(len(s.channels)), s.messages} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	var place int64
	for _, e := range s.times.entries {
		dst = binary.AppendUvarint(dst, uint64(e.place-place))
		dst = order.AppendUint64(dst, uint64(exactTimes.wallTime(e.at)))
		place = e.place
	}
	for i := range s.channels {
		c := &s.channels[i]
		dst = binary.AppendUvarint(dst, uint64(c.number))
		dst = binary.AppendUvarint(dst, uint64(len(c.name)))
		dst = append(dst, c.name...)
		for _, n := range []uint64{c.first, c.last - c.first, c.purged, uint64(len(c.addresses))} {
			dst = binary.AppendUvarint(dst, n)
		}
		place = 0
		for _, a := range c.addresses {
			dst = binary.AppendUvarint(dst, uint64(placeOf(a)-place))
			dst = binary.AppendUvarint(dst, uint64(dataSize(a, s.large)))
			place = placeOf(a)
		}
	}
	order.PutUint32(dst[at+8:], crc32.Checksum(dst[at+12:], castagnoli))
	return dst
}

// A hintReader parses a hint. After the first error it returns zeros.
type hintReader struct {
	b      []byte
	failed bool
}

func (r *hintReader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.failed, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// number returns the next uvarint. It is at most max.
func (r *hintReader) number(max uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > max {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *hintReader) word() uint64 {
	if b := r.take(8); b != nil {
		return order.Uint64(b)
	}
	return 0
}

// scanRoom is the memory of a scan. It is used again for others when the scan has been merged.
type scanRoom struct {
	hint      []byte
	names     []byte
	ends      []int // of each name
	channels  []scannedChannel
	addresses []address
}

// parseHint returns the scan of the segment with the header and the size, unless the hint is of
// another segment, of another version or damaged. The scan is valid until room is used again.
func parseHint(b []byte, h header, size int64, n now, room *scanRoom) (*scan, bool) {
	if len(b) < hintHead || string(b[:8]) != hintMagic || order.Uint32(b[12:]) != hintVersion {
		return nil, false
	}
	if crc32.Checksum(b[12:], castagnoli) != order.Uint32(b[8:]) {
		return nil, false
	}
	r := &hintReader{b: b[hintHead:]}
	if string(r.take(noteAt)) != string(h.append(nil)[:noteAt]) || int64(r.word()) != size {
		return nil, false
	}
	s := &scan{header: h, size: size, ended: true, newest: n.moment(int64(r.word()))}
	s.end, s.skipped, s.whole = int64(r.number(uint64(size))), int64(r.number(math.MaxInt64)), int64(r.number(math.MaxInt64))
	s.times.pause = clock.Mono(r.number(math.MaxInt64))
	// A channel takes 6 bytes at least, and a message 2.
	entries, channels, messages := r.number(maxTimes), r.number(uint64(len(b)/6)), r.number(uint64(len(b)/2))
	s.times.entries = make([]timeEntry, entries)
	var place int64
	for i := range s.times.entries {
		place += int64(r.number(uint64(size)))
		s.times.entries[i] = timeEntry{place, n.moment(int64(r.word()))}
	}
	room.channels = slices.Grow(room.channels[:0], int(channels))[:channels]
	addresses := slices.Grow(room.addresses[:0], int(messages))
	room.addresses, room.names, room.ends = addresses, room.names[:0], room.ends[:0]
	s.channels = room.channels
	for i := range s.channels {
		c := &s.channels[i]
		*c = scannedChannel{number: uint32(r.number(math.MaxUint32))}
		room.names = append(room.names, r.take(r.number(uint64(size)))...)
		room.ends = append(room.ends, len(room.names))
		c.first = r.number(math.MaxUint64)
		c.last = c.first + r.number(math.MaxUint64)
		c.purged = r.number(math.MaxUint64)
		count := r.number(messages - uint64(len(addresses)))
		from := len(addresses)
		place = 0
		for range count {
			place += int64(r.number(uint64(size)))
			data := r.number(uint64(size))
			c.bytes += int64(data)
			addresses = append(addresses, newAddress(0, place, int(data)))
			if data >= 1<<sizeBits {
				s.addLarge(place, int64(data))
			}
		}
		if r.failed || place >= size {
			return nil, false
		}
		c.addresses = addresses[from:len(addresses):len(addresses)]
	}
	names, from := string(room.names), 0 // one string for all
	for i, end := range room.ends {
		s.channels[i].name, from = names[from:end], end
	}
	s.messages = int64(len(addresses))
	return s, !r.failed && len(r.b) == 0 && s.messages == int64(messages)
}

// readHint returns the content of a segment from its hint, if that can be trusted and the segment
// has no key that is still remembered.
func readHint(fsys fileSystem, path string, segment file, size int64, n now, window clock.Mono, room *scanRoom) (*scan, bool) {
	f, err := fsys.Open(hintPath(path), false)
	if err != nil {
		return nil, false
	}
	defer f.Close() //nolint:errcheck // it was only read
	length, err := f.Size()
	if err != nil || length > maxHint(size) {
		return nil, false
	}
	room.hint = slices.Grow(room.hint[:0], int(length))[:length]
	b := room.hint
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF { //nolint:errorlint // as io.ReaderAt says
		return nil, false
	}
	h, err := (&scanner{path: path, file: segment, size: min(size, headerSize)}).header()
	if err != nil {
		return nil, false // the scan says why
	}
	s, ok := parseHint(b, h, size, n, room)
	return s, ok && n.mono-s.newest > window
}

// maxHint returns the maximum size of the hint of a segment. A channel takes less than four times the
// size of its record, and a message less than its record.
func maxHint(size int64) int64 { return 4*size + maxTimes*(8+binary.MaxVarintLen64) }

// writeHint writes the hint of a segment to a temporary file, and returns its name.
func writeHint(fsys fileSystem, path string, s *scan) (temporary string, err error) {
	temporary = hintPath(path) + newSuffix
	if err := fsys.Remove(temporary); err != nil {
		return "", err
	}
	f, err := fsys.Open(temporary, true)
	if err != nil {
		return "", err
	}
	_, err = f.WriteAt(appendHint(nil, s), 0)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		fsys.Remove(temporary) //nolint:errcheck // the next attempt removes it
		return "", fmt.Errorf("write %s: %w", temporary, err)
	}
	return temporary, nil
}

// sameContent reports whether two scans of a segment found the same.
func (s *scan) sameContent(to *scan) bool {
	if s.size != to.size || s.end != to.end || s.newest != to.newest || s.messages != to.messages || s.skipped != to.skipped || s.whole != to.whole ||
		s.times.pause != to.times.pause || !slices.Equal(s.times.entries, to.times.entries) {
		return false
	}
	return slices.EqualFunc(s.channels, to.channels, func(a, b scannedChannel) bool {
		return a.name == b.name && a.number == b.number && a.first == b.first && a.last == b.last && a.purged == b.purged && a.bytes == b.bytes &&
			slices.EqualFunc(a.addresses, b.addresses, func(x, y address) bool { return x == y && dataSize(x, s.large) == dataSize(y, to.large) })
	})
}
