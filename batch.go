package boreas

import "github.com/boreas-pubsub/boreas/engine"

// maxWrite is how many bytes one write carries: enough to make the cost of the
// system call small beside that of the bytes, little enough for a socket's buffer.
// A single publication may be larger and goes out whole.
const maxWrite = 64 << 10

// batch is what one write carries, and where in it each publication ends. It is
// scratch space: reused from write to write, and not kept by any session.
type batch struct {
	buf    []byte
	cutEnd int // where the rest of a cut publication ends in buf
	ownEnd int // where the session's own bytes end, after that
	marks  []mark
	pubs   []*engine.Publication

	// What a stretch of one channel holds, so that all subscriptions with the
	// same form and cursor share it. Zero for any other batch.
	stretch stretch
}

type stretch struct {
	life   *life
	format Format
	from   uint64
}

// mark is the end of a publication's bytes in a batch.
type mark struct {
	sub *subscription // nil in a stretch: it is everybody's
	pub *engine.Publication
	end int
}

// appendForm appends the form of a publication, or of a presence event.
func appendForm(dst []byte, f Format, l *life, p *engine.Publication) []byte {
	if l.ch.feed != nil {
		return f.(NoticeFormat).AppendPresence(dst, l.ch.name, p.Data)
	}
	return f.AppendPublication(dst, l.ch.name, l.epoch, p)
}

// begin sets the batch to the bytes that must be written before any publication that has not
// begun: the rest of a cut one, or nil, and the session's own bytes.
func (b *batch) begin(f Format, c *cut, own []byte) {
	b.buf = b.buf[:0]
	if c != nil {
		b.buf = c.appendRest(b.buf, f)
	}
	b.cutEnd = len(b.buf)
	b.buf = append(b.buf, own...)
	b.ownEnd = len(b.buf)
	b.marks = b.marks[:0]
	b.stretch = stretch{}
}

// forget ends the sharing of a stretch: its channel may have more by now.
func (b *batch) forget() { b.stretch = stretch{} }

// add appends publications until the batch is full. It returns false if it left any.
// What the owner has published and does not want back gets a mark and no bytes.
func (b *batch) add(f Format, l *life, owner *subscription, pubs []*engine.Publication) bool {
	for _, p := range pubs {
		if len(b.buf) >= maxWrite {
			return false
		}
		if owner == nil || p.Sender == 0 || p.Sender != owner.session.number || p.Offset <= owner.born {
			b.buf = appendForm(b.buf, f, l, p)
		}
		b.marks = append(b.marks, mark{owner, p, len(b.buf)})
	}
	return true
}

// addPending appends what the subscription's channel has after its cursor, for the
// owner alone, or for everybody at that cursor if there is none. Lagging means that
// the channel's window no longer reaches back that far.
func (b *batch) addPending(f Format, sub, owner *subscription) (whole, lagging bool) {
	l, at := sub.life.Load(), sub.cursor.Load()
	for {
		pubs, ok := l.ch.pending(b.pubs[:0], l, at, maxWrite)
		b.pubs = pubs
		whole = b.add(f, l, owner, pubs)
		more := whole && ok && owner != nil && len(pubs) > 0 && !b.full()
		if more {
			at = pubs[len(pubs)-1].Offset
		}
		clear(pubs) // do not hold what the engine may drop
		if !more {
			return whole, !ok
		}
		// What the owner does not want back has no bytes, but counted as some: who
		// comes next must not wait for the next publication.
	}
}

// share makes the batch what all subscriptions of the channel at this cursor need
// next, unless it is that already.
func (b *batch) share(f Format, sub *subscription) (lagging bool) {
	want := stretch{sub.life.Load(), f, sub.cursor.Load()}
	if b.stretch == want {
		return false
	}
	b.begin(f, nil, nil)
	_, lagging = b.addPending(f, sub, nil)
	if !lagging {
		b.stretch = want
	}
	return lagging
}

// full tells whether the batch has no room for more.
func (b *batch) full() bool { return len(b.buf) >= maxWrite }

// trimmed lets go of publications, and keeps a batch that once carried a huge one
// from holding its memory for ever.
func (b *batch) trimmed() *batch {
	clear(b.marks)
	if cap(b.buf) > 4*maxWrite {
		b.buf = nil
	}
	return b
}
