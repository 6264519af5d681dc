package disk

import (
	"sort"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// An address is where a message is on disk: the slot of its segment, the place of its record in the
// file, and the size of its data. A size that does not fit is 0, and in segment.large.
type address = uint64

const (
	slotBits, placeBits, sizeBits = 16, 28, 20

	maxSlots   = 1 << slotBits
	maxPlace   = 1<<placeBits - 1
	maxSegment = maxPlace // bytes
)

func newAddress(slot int, place int64, size int) address {
	if size >= 1<<sizeBits {
		size = 0
	}
	return address(slot)<<(placeBits+sizeBits) | address(place)<<sizeBits | address(size)
}

// slotTable has the segments by slot. Most engines use few slots, so it consists of parts.
type slotTable [maxSlots / slotPart]atomic.Pointer[[slotPart]atomic.Pointer[segment]]

const slotPart = 256

func (t *slotTable) get(slot int) *segment {
	part := t[slot/slotPart].Load()
	if part == nil {
		return nil
	}
	return part[slot%slotPart].Load()
}

// set sets a slot. Only one goroutine at a time sets one that is free.
func (t *slotTable) set(slot int, s *segment) {
	part := t[slot/slotPart].Load()
	if part == nil {
		part = new([slotPart]atomic.Pointer[segment])
		t[slot/slotPart].Store(part)
	}
	part[slot%slotPart].Store(s)
}

func slotOf(a address) int    { return int(a >> (placeBits + sizeBits)) }
func placeOf(a address) int64 { return int64(a >> sizeBits & maxPlace) }

// stored is the index of one channel's publications on disk. It implements [channellog.Store].
type stored struct {
	engine *Engine

	// Guarded by the log's lock.
	addresses []address // of the kept publications, oldest first
	first     uint64    // offset of the first
	more      *[]run    // runs of offsets after the first one; see run
	pending   *batch    // the batch with the channel's last message, nil once that is committed
	last      uint64    // offset of that message

	// While the log is opened: the life of the segment with the last message, and the place of the
	// channel among its channels.
	life uint32
	seen int32

	// Guarded by Engine.mu: the channel's number in a segment, valid while the generation is the
	// engine's.
	segment    uint64
	number     uint32
	generation uint32
}

// A run is a part of the index whose offsets increase by one. Another run begins where offsets were
// left out because the log may have lost its end.
type run struct {
	index int    // in addresses
	first uint64 // offset
}

var _ channellog.Store = (*stored)(nil)

// Len implements [channellog.Store].
func (s *stored) Len() int { return len(s.addresses) }

// Size implements [channellog.Store].
func (s *stored) Size(i int) int64 { return s.engine.sizeOf(s.addresses[i]) }

// Accepted implements [channellog.Store].
func (s *stored) Accepted(i int) clock.Mono {
	a := s.addresses[i]
	if seg := s.engine.slots.get(slotOf(a)); seg != nil {
		return seg.accepted(placeOf(a))
	}
	return 0
}

// Append implements [channellog.Store].
func (s *stored) Append(offset, place uint64) {
	n := len(s.addresses)
	switch {
	case n == 0:
		s.first = offset
	case offset != s.offset(n-1)+1:
		s.addRun(offset)
	}
	if n == cap(s.addresses) {
		s.grow(1)
	}
	s.addresses = append(s.addresses, place)
	s.engine.link(place)
	if offset == s.last {
		s.pending = nil
	}
}

// addRun begins a run with the offset, after the addresses that there are.
func (s *stored) addRun(offset uint64) {
	if s.more == nil {
		s.more = new([]run)
	}
	*s.more = append(*s.more, run{len(s.addresses), offset})
}

// grow makes room for n more addresses and, because the index is most of the memory of a log, for
// only an eighth beyond.
func (s *stored) grow(n int) {
	all := make([]address, len(s.addresses), len(s.addresses)+n+len(s.addresses)/8)
	copy(all, s.addresses)
	s.addresses = all
}

// trim frees room that is too much.
func (s *stored) trim() {
	if n := len(s.addresses); cap(s.addresses) > n+n/8+1 {
		s.grow(0)
	}
}

// Drop implements [channellog.Store]. Positions between two runs may belong to lost messages, so
// the floor is above them.
func (s *stored) Drop(n int) (floor uint64) {
	floor = s.offset(n - 1)
	for _, a := range s.addresses[:n] {
		s.engine.unlink(a)
	}
	left := len(s.addresses) - n
	if left > 0 {
		s.first = s.offset(n)
		floor = s.first - 1 // above the last dropped one if a run begins here
	}
	s.dropRuns(n)
	if s.addresses = s.addresses[n:]; left == 0 {
		s.addresses = nil
	} else if cap(s.addresses) > 64 && left < cap(s.addresses)/4 {
		s.grow(0)
	}
	return floor
}

func (s *stored) dropRuns(n int) {
	if s.more == nil {
		return
	}
	var kept []run
	for _, r := range *s.more {
		if r.index > n {
			kept = append(kept, run{r.index - n, r.first})
		}
	}
	if s.more = &kept; kept == nil {
		s.more = nil
	}
}

// offset returns the offset of the kept publication i.
func (s *stored) offset(i int) uint64 {
	from := run{0, s.first}
	if s.more != nil {
		for _, r := range *s.more {
			if r.index > i {
				break
			}
			from = r
		}
	}
	return from.first + uint64(i-from.index)
}

// after returns the index of the first kept publication after the offset.
func (s *stored) after(offset uint64) int {
	if s.more == nil {
		if offset < s.first {
			return 0
		}
		return int(min(offset-s.first+1, uint64(len(s.addresses))))
	}
	return sort.Search(len(s.addresses), func(i int) bool { return s.offset(i) > offset })
}

// lost reports whether the offset was given away before the log lost its end, or never. Clients may
// have such a position.
func (s *stored) lost(offset uint64) bool {
	if s.more == nil {
		return false
	}
	for _, r := range *s.more {
		if offset > s.offset(r.index-1) && offset < r.first-1 {
			return true
		}
	}
	return false
}
