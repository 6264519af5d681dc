package boreas

import "sync"

// visitWrites is the maximum number of full writes that a sweeper makes for one session before it
// goes on to the next; the session's group is swept again later.
const visitWrites = 4

// outcome is the result of a flush.
type outcome int

const (
	flushIdle    outcome = iota // there was nothing to write
	flushDone                   // everything was written
	flushMore                   // a full batch was written, and there may be more
	flushBlocked                // the connection refused bytes
	flushLagging                // the window of a channel does not reach back to the cursor
	flushLost                   // the connection is lost
	flushWaiting                // the needed logs cannot be read for now
	flushReset                  // a log was reset, and the session's format has no notice for that
)

// flush makes one write of the session's pending data of all its channels: its own bytes first,
// publications after them. The caller holds s.mu.
func (s *Session) flush(b *batch, t *tally) (outcome, error) {
	if s.cut != nil && s.cut.refused != nil {
		return flushLost, s.cut.refused
	}
	if s.cut == nil && len(s.out) > maxWrite {
		return s.writeOwn(t)
	}
	if s.hub.queue.resets.Load() != 0 && !s.renew() {
		return flushReset, nil
	}
	sub, several := s.behind()
	own := len(s.out) > 0 || s.cut != nil
	if sub == nil && !own {
		return flushIdle, nil
	}
	f := s.batchFormat()
	if !several && !own && !s.personal && !sub.silent() {
		if b.share(s, sub) {
			return flushLagging, nil
		}
		return s.write(b, t, sub)
	}
	b.begin(s, f)
	lagging := s.gather(b, f)
	if len(b.buf) == 0 && len(b.marks) == 0 {
		return flushLagging, nil
	}
	o, err := s.write(b, t, nil)
	if lagging && (o == flushDone || o == flushMore) {
		o = flushLagging
	}
	return o, err
}

// batchFormat returns the format for the session's next batch. The caller holds s.mu.
func (s *Session) batchFormat() Format {
	if s.personal {
		return s.format.(SessionFormat).At(s.position)
	}
	return s.format
}

// flushOnce is flush with a batch from the pool, for callers other than sweepers. The caller holds
// s.mu.
func (s *Session) flushOnce() (outcome, error) {
	b, t := getBatch(), tally{}
	defer putBatch(b)
	o, err := s.flush(b, &t)
	t.addTo(&s.hub.stats)
	return o, err
}

// behind returns a subscription with publications to write, and whether there are several such
// subscriptions.
func (s *Session) behind() (first *subscription, several bool) {
	for _, sub := range s.subs {
		if sub.cursor.Load() < sub.channel().head.Load() {
			if first != nil {
				return first, true
			}
			first = sub
		}
	}
	return first, false
}

// gather appends the pending publications of all subscriptions, until the batch is full.
func (s *Session) gather(b *batch, f Format) (lagging bool) {
	n := len(s.subs)
	if n == 0 {
		return false
	}
	first := int(s.turn) % n
	for i := range n {
		sub := s.subs[(first+i)%n]
		if sub.cursor.Load() == sub.channel().head.Load() {
			continue
		}
		whole, lag := b.addPending(f, sub, sub)
		lagging = lagging || lag
		if !whole {
			// The next batch begins with another channel, so that a busy channel does not block the
			// others.
			s.turn++
			break
		}
	}
	return lagging
}

// write makes one attempt to write the batch, and settles the result. Only is set if the batch is
// shared.
func (s *Session) write(b *batch, t *tally, only *subscription) (outcome, error) {
	if len(b.buf) == 0 { // all publications are unwanted
		s.settle(b, 0, only)
		return flushDone, nil
	}
	n, err := s.conn.TryWrite(b.buf)
	if err != nil {
		return flushLost, err
	}
	if n > 0 && s.catchingUp {
		// The connection accepts bytes again, so the client is reading. Its answer to a ping comes
		// only after it has read all earlier bytes.
		s.Alive()
	}
	s.took(n, len(b.buf))
	delivered := s.settle(b, n, only)
	s.delivered += uint64(delivered)
	t.write(delivered, n)
	switch {
	case s.cut != nil && s.cut.refused != nil:
		return flushLost, s.cut.refused
	case n < len(b.buf):
		return flushBlocked, nil
	case b.full():
		return flushMore, nil
	}
	return flushDone, nil
}

// writeOwn makes one attempt to write the session's own bytes. It does not copy them into a
// batch, because they may be a page of history.
func (s *Session) writeOwn(t *tally) (outcome, error) {
	n, err := s.conn.TryWrite(s.out)
	if err != nil {
		return flushLost, err
	}
	if n > 0 && s.catchingUp {
		s.Alive() // see write
	}
	t.write(0, n)
	s.took(n, len(s.out))
	s.wrote(n)
	if len(s.out) > 0 {
		return flushBlocked, nil
	}
	if sub, _ := s.behind(); sub != nil {
		return flushMore, nil
	}
	return flushDone, nil
}

// settle moves the cursors after n bytes of the batch were written. It keeps the bytes that must be
// written next: the rest of the session's own bytes, or the publication that was partly written. It
// does not keep the rest of the batch, because the cursors have not passed it. It returns the
// number of publications whose writing has begun. Only is the subscription for which a shared batch
// was written, nil for any other batch.
func (s *Session) settle(b *batch, n int, only *subscription) (delivered int) {
	if n < b.cutEnd {
		s.cut.written += n
		return 0
	}
	s.uncut()
	s.wrote(min(n, b.ownEnd) - b.cutEnd)
	if n < b.ownEnd {
		return 0
	}
	if s.compressed != nil && n == len(b.buf) {
		s.compressed.last = b.last
	}
	if only != nil && n == len(b.buf) && len(b.marks) > 0 {
		only.cursor.Store(b.marks[len(b.marks)-1].pub.Offset)
		if only.channel().feed != nil {
			return 0 // a presence event is not a publication
		}
		return len(b.marks)
	}
	start := b.ownEnd
	for _, m := range b.marks {
		sub := m.sub
		if sub == nil {
			sub = only
		}
		if n >= start && m.end == start { // its own, and not wanted
			sub.cursor.Store(m.pub.Offset)
			continue
		}
		if n <= start {
			break // not begun
		}
		sub.cursor.Store(m.pub.Offset)
		if sub.channel().feed == nil {
			delivered++
		}
		if s.compressed != nil && n < len(b.buf) {
			s.compressed.wrote(sub.life.Load(), &m)
		}
		if n < m.end {
			s.cutAt(sub.life.Load(), &m, n-start)
			break
		}
		start = m.end
	}
	return delivered
}

// visit writes the session's pending data for a sweeper. Each write has a batch of its own, so that
// the next session at the same cursor finds the bytes of all its writes: with one batch, the second
// write of a session would replace the bytes that the next session needs first. visit returns true
// if there is more and the connection accepts it.
func (s *Session) visit(batches *[visitWrites]batch, t *tally) (more bool) {
	s.mu.Lock()
	if s.catchingUp || s.ending {
		s.wake()
		s.mu.Unlock()
		return false
	}
	for i := range batches {
		o, err := s.flush(&batches[i], t)
		switch o {
		case flushMore:
			continue
		case flushBlocked, flushLagging:
			s.startCatchingUp()
		case flushLost:
			s.mu.Unlock()
			s.finish(err)
			return false
		case flushReset:
			s.endNow(ErrLogReset)
			return false
		}
		s.mu.Unlock()
		return false
	}
	s.mu.Unlock()
	return true
}

// flushNow writes the session's pending data, unless another goroutine is doing so or Flush will do
// so. The caller holds s.mu; flushNow unlocks it.
func (s *Session) flushNow() {
	if s.catchingUp || s.finished {
		s.wake()
		s.mu.Unlock()
		return
	}
	if s.gathering && !s.ending && len(s.out) <= HeldFree {
		s.gathered = true
		s.mu.Unlock()
		return
	}
	o, err := s.flushOnce()
	if o == flushReset {
		s.endNow(ErrLogReset)
		return
	}
	ended, reason := s.ending && o <= flushDone, s.reason
	if o > flushDone && o != flushLost {
		s.startCatchingUp()
	}
	s.mu.Unlock()
	switch {
	case o == flushLost:
		s.finish(err)
	case ended:
		s.finish(reason)
	}
}

// batches has scratch space for writes outside sweepers.
var batches = sync.Pool{New: func() any { return new(batch) }}

func getBatch() *batch { return batches.Get().(*batch) }

func putBatch(b *batch) {
	b.forget()
	batches.Put(b.trimmed())
}
