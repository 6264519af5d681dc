package boreas

// maxWrite is how many bytes one write carries: enough to make the cost of the
// system call small beside that of the bytes, little enough for a socket's buffer.
// A single publication may be larger and goes out whole.
const maxWrite = 64 << 10

// batch is what one write carries, and where in it each publication ends. It is
// scratch space: reused from write to write, and not kept by any session.
type batch struct {
	buf   []byte
	marks []mark
	pubs  []*Publication

	// What a stretch of one channel holds, so that all subscriptions with the
	// same form and cursor share it. Zero for any other batch.
	stretch stretch
}

type stretch struct {
	ch     *channel
	format Format
	from   uint64
}

// mark is the end of a publication's bytes in a batch.
type mark struct {
	sub    *subscription // nil in a stretch: it is everybody's
	offset uint64
	end    int
}

// begin makes the batch empty but for the bytes.
func (b *batch) begin(bytes []byte) {
	b.buf = append(b.buf[:0], bytes...)
	b.marks = b.marks[:0]
	b.stretch = stretch{}
}

// forget ends the sharing of a stretch: its channel may have more by now.
func (b *batch) forget() { b.stretch = stretch{} }

// add appends publications until the batch is full. It returns false if it left any.
func (b *batch) add(f Format, channel string, sub *subscription, pubs []*Publication) bool {
	for _, p := range pubs {
		if len(b.buf) >= maxWrite {
			return false
		}
		b.buf = f.AppendPublication(b.buf, channel, p)
		b.marks = append(b.marks, mark{sub, p.Offset, len(b.buf)})
	}
	return true
}

// addPending appends what the subscription's channel has after its cursor. Lagging
// means that the channel's window no longer reaches back that far.
func (b *batch) addPending(f Format, sub, owner *subscription) (whole, lagging bool) {
	pubs, ok := sub.ch.pending(b.pubs[:0], sub.cursor.Load())
	b.pubs = pubs
	whole = b.add(f, sub.ch.name, owner, pubs)
	clear(pubs) // do not hold what the engine may drop
	return whole, !ok
}

// share makes the batch what all subscriptions of the channel at this cursor need
// next, unless it is that already.
func (b *batch) share(f Format, sub *subscription) (lagging bool) {
	want := stretch{sub.ch, f, sub.cursor.Load()}
	if b.stretch == want {
		return false
	}
	b.begin(nil)
	_, lagging = b.addPending(f, sub, nil)
	if !lagging {
		b.stretch = want
	}
	return lagging
}

// settle moves the cursors after n bytes of the batch were written, which began
// with the session's bytes out. It returns what must be written before anything
// else, as a copy: the rest of out, or of the publication that was cut. The rest of
// the batch needs no copy, because the cursors have not passed it. Only is the
// subscription that a stretch was written for, nil for any other batch.
func (b *batch) settle(n int, out []byte, only *subscription) (rest []byte, delivered int) {
	if n < len(out) {
		return append([]byte(nil), out[n:]...), 0
	}
	if only != nil && n == len(b.buf) && len(b.marks) > 0 {
		only.cursor.Store(b.marks[len(b.marks)-1].offset)
		return nil, len(b.marks)
	}
	start := len(out)
	for i := range b.marks {
		m := &b.marks[i]
		if n <= start {
			break // not begun
		}
		sub := m.sub
		if sub == nil {
			sub = only
		}
		sub.cursor.Store(m.offset)
		delivered++
		if n < m.end {
			return append([]byte(nil), b.buf[n:m.end]...), delivered
		}
		start = m.end
	}
	return nil, delivered
}

// full tells whether the batch has no room for more.
func (b *batch) full() bool { return len(b.buf) >= maxWrite }

// trimmed keeps a batch that once carried a huge publication from holding its
// memory for ever.
func (b *batch) trimmed() *batch {
	if cap(b.buf) > 4*maxWrite {
		b.buf = nil
	}
	return b
}
