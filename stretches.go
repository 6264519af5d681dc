package boreas

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

const (
	// stretchSlots is the maximum number of stretches that a hub keeps.
	stretchSlots = 16

	// minStretch is the number of publications that make it worthwhile to share their encoding.
	minStretch = 8

	// maxStretch is the maximum size of a shared encoding in bytes. All stretches together have at
	// most 2 MiB. It is the size of a full write, unless that has a large publication.
	maxStretch = 2 * maxWrite
)

// stretches keeps the encodings of stretches of channels' logs. Sessions that reconnect at the same
// time have mostly missed the same publications, so they need the same bytes. The hub encodes a
// stretch for the first session that needs it, encodes and keeps it for the second one, and copies
// it for all later ones.
type stretches struct {
	slots [stretchSlots]atomic.Pointer[encodedStretch]
}

// encodedStretch is immutable. It has the encodings of publications that follow each other in a log.
type encodedStretch struct {
	life   *life
	format Format
	first  uint64 // offset of the first publication

	// Empty if only one session has needed the stretch so far.
	parts []encodedPart
	bytes []byte
}

// encodedPart says where the encoding of a publication ends in the bytes of a stretch.
type encodedPart struct {
	offset uint64
	end    int
}

// stretchSeed is random because clients choose where they resume.
var stretchSeed = maphash.MakeSeed()

// add is [batch.add] for publications that follow each other in the log. The caller holds the mutex
// of the owner's session.
func (c *stretches) add(b *batch, f Format, l *life, owner *subscription, pubs []*engine.Publication) (whole bool) {
	if s := owner.session; len(pubs) < minStretch || l.ch.feed != nil || s.personal || s.compressed != nil || owner.silent() {
		return b.add(f, l, owner, pubs)
	}
	first := pubs[0].Offset
	slot := &c.slots[maphash.Comparable(stretchSeed, spot{l, first})%stretchSlots]
	e := slot.Load()
	if e == nil || e.life != l || e.format != f || e.first != first {
		slot.Store(&encodedStretch{life: l, format: f, first: first})
		return b.add(f, l, owner, pubs)
	}
	start, marks := len(b.buf), len(b.marks)
	known := e.appendTo(b, owner, pubs)
	whole = b.add(f, l, owner, pubs[known:])
	// Keep the longer stretch only if it is much longer, because publications may arrive meanwhile,
	// so that each session needs one more.
	if added := len(b.marks) - marks; added-known >= max(minStretch, known/4) && len(b.buf)-start <= maxStretch {
		slot.Store(newStretch(b, start, marks, e))
	}
	return whole
}

// newStretch returns a stretch like e with the publications of the batch from these indexes on.
func newStretch(b *batch, start, marks int, e *encodedStretch) *encodedStretch {
	long := &encodedStretch{life: e.life, format: e.format, first: e.first}
	long.bytes = append(long.bytes, b.buf[start:]...)
	long.parts = make([]encodedPart, 0, len(b.marks)-marks)
	for _, m := range b.marks[marks:] {
		long.parts = append(long.parts, encodedPart{m.pub.Offset, m.end - start})
	}
	return long
}

// appendTo appends the encodings of the first publications to the batch, as far as they are the same
// as those of the stretch, until the batch is full. It returns their number.
func (e *encodedStretch) appendTo(b *batch, owner *subscription, pubs []*engine.Publication) (n int) {
	start, end := len(b.buf), 0
	for n < min(len(pubs), len(e.parts)) && pubs[n].Offset == e.parts[n].offset && start+end < maxWrite {
		end = e.parts[n].end
		b.marks = append(b.marks, mark{owner, pubs[n], start + end, nil})
		n++
	}
	b.buf = append(b.buf, e.bytes[:end]...)
	return n
}
