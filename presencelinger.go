package boreas

import "time"

// lostPlace is the place of a lost session until its linger time is over. The place may have been
// given up earlier, because the user came back.
type lostPlace struct {
	place   *place
	until   time.Time
	release func()
}

// linger records that a session's connection is lost. The session still counts as present for the
// linger time, or until its user joins with another session, which takes its place without an event.
// The channel is needed during the linger time. After it, release is called once, perhaps before
// linger returns, so the caller must not hold a lock.
func (p *presence) linger(session, user string, release func()) {
	if !p.keep(session, user, release) {
		release()
	}
}

// keep keeps the place of a lost session for the linger time. It returns false if there is no place
// to keep, or no linger time.
func (p *presence) keep(session, user string, release func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	pl := p.who.leaving(session, user)
	if pl == nil {
		return false
	}
	return p.lose(pl, release)
}

// lose records that the place's session is lost. It returns false if the place was given up at once.
// The caller holds mu.
func (p *presence) lose(pl *place, release func()) bool {
	if p.closed || p.options.linger <= 0 {
		p.remove(pl)
		return false
	}
	p.who.lose(pl)
	p.away = append(p.away, lostPlace{pl, time.Now().Add(p.options.linger), release})
	if len(p.away) == 1 {
		p.runAway()
	}
	return true
}

// runAway sets the timer for the first of away. The caller holds mu.
func (p *presence) runAway() {
	wait := time.Until(p.away[0].until)
	if p.awayOver == nil {
		p.awayOver = time.AfterFunc(wait, p.giveUp)
	} else {
		p.awayOver.Reset(wait)
	}
}

// giveUp gives up the places whose linger time is over.
func (p *presence) giveUp() {
	for _, l := range p.over() {
		l.release()
	}
	if p.options.idle != nil && p.empty() {
		p.options.idle(p)
	}
}

// over removes from away the places whose linger time is over, and returns them. Their sessions are
// not present any more.
func (p *presence) over() []lostPlace {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.away) && time.Until(p.away[n].until) <= 0 {
		if pl := p.away[n].place; pl.user != nil {
			p.remove(pl)
		}
		n++
	}
	over := p.away[:n:n]
	p.away = p.away[n:]
	if len(p.away) == 0 {
		p.away = nil // releases the array
	} else {
		p.runAway()
	}
	return over
}

// close stops the timers and calls each release that has not been called, in the order of the
// losses. It may be called again, also by a release.
func (p *presence) close() {
	p.mu.Lock()
	p.closed = true
	away := p.away
	p.away = nil
	for _, t := range []*time.Timer{p.countLate, p.awayOver} {
		if t != nil {
			t.Stop()
		}
	}
	p.mu.Unlock()
	for _, l := range away {
		l.release()
	}
}
