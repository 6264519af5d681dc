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

	// format is set if it is that of the batch and compresses. Last is then the newest compressed
	// publication that the client has received where the batch ends.
	format    CompressedFormat
	encodings *encodings
	last      spot
}

// stretch identifies the content of a shared batch: the publications of one channel after an offset,
// in one format. All subscriptions that need exactly that can use the batch.
type stretch struct {
	life   *life
	format Format
	from   uint64
	last   spot // see [batch.last]; zero if the format does not compress
}

// mark is the end of a publication's bytes in a batch.
type mark struct {
	sub *subscription // nil in a shared batch, which belongs to many subscriptions
	pub *engine.Publication
	end int

	encoded *encoded // the bytes, if the format compresses; otherwise nil
}

// appendForm appends the encoding of a publication, or of a presence event.
func appendForm(dst []byte, f Format, l *life, p *engine.Publication) []byte {
	if l.ch.feed != nil {
		return f.(NoticeFormat).AppendPresence(dst, l.ch.name, p.Data)
	}
	return f.AppendPublication(dst, l.ch.name, l.epoch, p)
}

// begin sets the batch to the bytes that must be written to the session before any other
// publication: the rest of a partly written one, and its own bytes. The caller holds s.mu.
func (b *batch) begin(s *Session, f Format) {
	b.reset(s)
	if s.cut != nil {
		b.buf = s.cut.appendRest(b.buf, f)
	}
	b.cutEnd = len(b.buf)
	b.buf = append(b.buf, s.out...)
	b.ownEnd = len(b.buf)
	if len(s.out) > 0 {
		b.other()
	}
}

// reset sets the batch to no bytes for the session. The caller holds s.mu.
func (b *batch) reset(s *Session) {
	b.buf, b.cutEnd, b.ownEnd = b.buf[:0], 0, 0
	b.marks = b.marks[:0]
	b.stretch = stretch{}
	b.format, b.encodings, b.last = nil, nil, spot{}
	if c := s.compressed; c != nil {
		b.format, b.encodings, b.last = c.format, &s.hub.encodings, c.last
	}
}

// other records that the batch has got bytes that are no publication.
func (b *batch) other() {
	if b.format != nil && b.format.WholeStream() {
		b.last = spot{}
	}
}

// forget ends the sharing of the batch, because its channel may have more publications by now.
func (b *batch) forget() { b.stretch, b.last = stretch{}, spot{} }

// add appends publications until the batch is full. It returns false if it left any out. A
// publication that the owner has published and does not want back gets a mark without bytes.
func (b *batch) add(f Format, l *life, owner *subscription, pubs []*engine.Publication) bool {
	for _, p := range pubs {
		if len(b.buf) >= maxWrite {
			return false
		}
		if owner == nil || p.Sender == 0 || p.Sender != owner.session.number || p.Offset <= owner.born {
			e := b.encode(l, owner, p)
			if e != nil {
				b.buf = append(b.buf, e.bytes...)
			} else {
				b.buf = appendForm(b.buf, f, l, p)
			}
			b.marks = append(b.marks, mark{owner, p, len(b.buf), e})
			continue
		}
		b.marks = append(b.marks, mark{owner, p, len(b.buf), nil})
	}
	return true
}

// encode returns the encoding of a publication that all sessions with the format share, or nil if
// the format does not compress.
func (b *batch) encode(l *life, owner *subscription, p *engine.Publication) *encoded {
	switch {
	case b.format == nil:
		return nil
	case l.ch.feed != nil:
		b.other()
		return nil
	case owner != nil && owner.silent():
		b.last = spot{} // the publication before is perhaps the session's own: others have another context
	}
	e := b.encodings.encode(b.format, l, p, b.last)
	if e.compressed {
		b.last = spot{l, p.Offset}
	} else {
		b.other()
	}
	return e
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
// cursor and in this format, unless it contains them already. The caller holds s.mu.
func (b *batch) share(s *Session, sub *subscription) (lagging bool) {
	want := stretch{life: sub.life.Load(), format: s.format, from: sub.cursor.Load()}
	if s.compressed != nil {
		want.last = s.compressed.last
	}
	if b.stretch == want {
		return false
	}
	b.reset(s)
	_, lagging = b.addPending(s.format, sub, nil)
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
	b.marks = b.marks[:0]
	if cap(b.buf) > 4*maxWrite {
		b.buf = nil
	}
	return b
}
