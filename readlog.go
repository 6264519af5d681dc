package boreas

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

const (
	// firstRetry and lastRetry are how long a session waits before it reads a channel's log again
	// after an error. The wait doubles with each error.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second

	// readPatience is how long reading may fail before the session ends, so that its client
	// notices.
	readPatience = 30 * time.Second
)

// catchUp reads the engine's log for a session's subscriptions that are behind their channels'
// windows. It belongs to the session's catching-up goroutine.
type catchUp struct {
	waits map[*subscription]wait // only of subscriptions whose log cannot be read for now
}

// wait says when to read a subscription's log again.
type wait struct {
	shown <-chan struct{} // closed when the log has changed; nil after an error
	at    time.Time       // set after an error
	pause time.Duration   // length of the last wait
	since time.Time       // time of the first of consecutive errors
}

// over reports whether the wait has ended.
func (w *wait) over(now time.Time) bool {
	if w.shown == nil {
		return !now.Before(w.at)
	}
	select {
	case <-w.shown:
		return true
	default:
		return false
	}
}

// read writes some of the engine's publications for each subscription that is behind its channel's
// window. The outcome is flushWaiting if nothing can be read for now.
func (c *catchUp) read(s *Session) (outcome, error) {
	laggards := s.laggards()
	c.forget(laggards)
	fell, waiting := false, 0 // fell means behind the log
	for _, sub := range laggards {
		w, known := c.waits[sub]
		if known && !w.over(time.Now()) {
			waiting++
			continue
		}
		l := sub.life.Load()
		h, err := s.readLog(sub, engine.Limit{Messages: catchUpLimit, Bytes: maxWrite})
		switch {
		case errors.Is(err, engine.ErrPurged) && s.notices() != nil:
			s.skip(sub, GapPurged, h.Floor) // not the session's fault
		case errors.Is(err, engine.ErrExpired) && s.notices() != nil:
			s.skip(sub, GapSlow, h.Floor)
			fell = true
		case lost(err) && !(errors.Is(err, engine.ErrUnknownEpoch) && s.notices() != nil): // with notices, wait for the engine's Reset
			s.End(ErrSlow)
			return flushDone, nil // catchUpOnce writes the final bytes
		case s.hub.ctx.Err() != nil:
			s.End(ErrShuttingDown)
			return flushDone, nil
		case err != nil:
			if !c.retry(sub, w) {
				s.End(fmt.Errorf("%w: %v", ErrUnreadable, err))
				return flushDone, nil
			}
			waiting++
			continue
		case len(h.Publications) == 0:
			if !s.pass(sub, h.Head) {
				c.wait(sub, wait{shown: sub.channel().awaitLog(s.hub, s.wakeup())})
				waiting++
				continue
			}
		default:
			if o, err := s.writeHistory(sub, l, h); o >= flushBlocked {
				delete(c.waits, sub)
				return o, err
			}
		}
		delete(c.waits, sub)
	}
	if fell && s.fellBehind() {
		s.End(ErrFallsBehind)
	}
	if waiting > 0 && waiting == len(laggards) {
		return flushWaiting, nil
	}
	return flushDone, nil
}

// forget drops the waits of subscriptions that are no longer behind.
func (c *catchUp) forget(laggards []*subscription) {
	for sub := range c.waits {
		if !slices.Contains(laggards, sub) {
			delete(c.waits, sub)
		}
	}
}

func (c *catchUp) wait(sub *subscription, w wait) {
	if c.waits == nil {
		c.waits = make(map[*subscription]wait)
	}
	c.waits[sub] = w
}

// retry records that reading has failed again. It returns false if reading has failed for
// readPatience.
func (c *catchUp) retry(sub *subscription, w wait) bool {
	now := time.Now()
	if w.since.IsZero() {
		w.since = now
	}
	if now.Sub(w.since) >= readPatience {
		return false
	}
	w.shown = nil
	w.pause = min(max(2*w.pause, firstRetry), lastRetry)
	w.at = now.Add(w.pause)
	c.wait(sub, w)
	return true
}

// await waits until a log can be read again, there is something else to write, or the session has
// ended.
func (c *catchUp) await(s *Session) {
	pause := lastRetry
	for _, w := range c.waits {
		if w.shown == nil {
			pause = min(pause, time.Until(w.at))
		}
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.wakeup():
	case <-s.hub.ctx.Done():
	}
}

func (s *Session) pass(sub *subscription, head engine.Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sub.pass(head)
}

func (s *Session) writeHistory(sub *subscription, l *life, h engine.History) (outcome, error) {
	b, t := getBatch(), tally{}
	defer putBatch(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending || !slices.Contains(s.subs, sub) || sub.life.Load() != l || h.Publications[0].Offset <= sub.cursor.Load() {
		return flushDone, nil // it left meanwhile, joined again, or the log was reset
	}
	f := s.batchFormat()
	b.begin(s, f)
	s.hub.stretches.add(b, f, l, sub, h.Publications)
	o, err := s.write(b, &t, nil)
	t.addTo(&s.hub.stats)
	return o, err
}

// readLog reads the log after the subscription's cursor. Presence events have no log: one event
// with the whole state stands for all of them.
func (s *Session) readLog(sub *subscription, limit engine.Limit) (engine.History, error) {
	if sub.channel().feed != nil {
		return engine.History{Publications: []*engine.Publication{sub.channel().feed.stateEvent()}}, nil
	}
	return s.hub.read(s.hub.ctx, forCatchUp, sub.channel().name, sub.position(), limit)
}

// laggards returns the subscriptions that are behind their channels' windows.
func (s *Session) laggards() []*subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*subscription
	for _, sub := range s.subs {
		if sub.channel().passed(sub) {
			all = append(all, sub)
		}
	}
	return all
}

// lost reports whether the error of a Read means that publications after the position are gone. Any
// other error may be temporary.
func lost(err error) bool {
	_, is := gapReason(err)
	return is
}

// wakeup returns the channel that wakes the catching-up goroutine from [catchUp.await].
func (s *Session) wakeup() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.slowState()
	if st.wake == nil {
		st.wake = make(chan struct{}, 1)
	}
	return st.wake
}

// wake wakes the catching-up goroutine if it waits for a log. The caller holds mu.
func (s *Session) wake() {
	if s.slow != nil && s.slow.wake != nil {
		signal(s.slow.wake)
	}
}

func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
