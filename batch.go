package boreas

import "github.com/boreas-pubsub/boreas/v2/engine"

// maxWrite is the number of bytes in one write: enough to make the cost of the system call small
// beside the cost of the bytes, and little enough for a socket's buffer. A single publication may
// be larger and is written whole.
const maxWrite = 64 << 10

// batch has the bytes of one write, and where each publication ends in them. It is scratch space:
// it is reused from write to write, and no session keeps it.
type batch struct {
	buf    []byte
	cutEnd int // where the rest of a partly written publication ends in buf
	ownEnd int // where the session's own bytes end, after that
	marks  []mark
	pubs   []*engine.Publication

	stretch stretch // what a shared batch contains; zero for any other batch
}

// stretch identifies the content of a shared batch: the publications of one channel after an offset,
// in one format. All subscriptions that need exactly that can use the batch.
type stretch struct {
	life   *life
	format Format
	from   uint64
}

// mark is the end of a publication's bytes in a batch.
type mark struct {
	sub *subscription // nil in a shared batch, which belongs to many subscriptions
	pub *engine.Publication
	end int
}

// appendForm appends the encoding of a publication, or of a presence event.
func appendForm(dst []byte, f Format, l *life, p *engine.Publication) []byte {
	if l.ch.feed != nil {
		return f.(NoticeFormat).AppendPresence(dst, l.ch.name, p.Data)
	}
	return f.AppendPublication(dst, l.ch.name, l.epoch, p)
}

// begin sets the batch to the bytes that must be written before any other publication: the rest of
// a partly written one, if c is not nil, and the session's own bytes.
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

// forget ends the sharing of the batch, because its channel may have more publications by now.
func (b *batch) forget() { b.stretch = stretch{} }

// add appends publications until the batch is full. It returns false if it left any out. A
// publication that the owner has published and does not want back gets a mark without bytes.
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

// addPending appends the publications after the subscription's cursor: for the owner alone, or for
// all subscriptions with that cursor if owner is nil. Lagging means that the channel's window no
// longer reaches back to the cursor.
func (b *batch) addPending(f Format, sub, owner *subscription) (whole, lagging bool) {
	l, at := sub.life.Load(), sub.cursor.Load()
	for {
		pubs, more, ok := l.ch.pending(b.pubs[:0], l, at, maxWrite)
		b.pubs = pubs
		whole = b.add(f, l, owner, pubs)
		more = more && whole && owner != nil && !b.full()
		if more {
			at = pubs[len(pubs)-1].Offset
		}
		clear(pubs) // so that the engine can drop them
		if !more {
			return whole, !ok
		}
		// The owner's unwanted publications count in pending, but have no bytes here. Go on,
		// because the later ones must not wait for the next publication.
	}
}

// share makes the batch contain the next publications for all subscriptions of the channel at this
// cursor, unless it contains them already.
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

// full reports whether the batch is full.
func (b *batch) full() bool { return len(b.buf) >= maxWrite }

// trimmed drops the publications, and the buffer if it has become too large to keep.
func (b *batch) trimmed() *batch {
	clear(b.marks)
	if cap(b.buf) > 4*maxWrite {
		b.buf = nil
	}
	return b
}
