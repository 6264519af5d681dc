package client

import (
	"errors"
	"time"
)

// refusedJoins are subscriptions whose joins were refused for now, by one answer.
type refusedJoins struct {
	subs  []*Subscription
	errs  []error
	pause time.Duration // the longest of theirs
	timer *time.Timer   // makes the next attempt
	left  int           // how many still wait for it; guarded by the Conn's mutex
}

// refuse deals with a join that the server did not accept. One that went on before
// is tried again, if the server says that this may help: perhaps it still counts the
// connection that was lost. So is one that was not even looked at (clause 2.9), and one
// that came when the token had ended: the next token is on its way, or the end of the
// connection. Called with mu held.
func (c *Conn) refuse(s *Subscription, err error, again *refusedJoins) {
	var refusal *Error
	errors.As(err, &refusal)
	switch {
	case refusal == nil:
	case refusal.Code == CodeRateLimited, refusal.Code == CodeTokenExpired:
	case s.begun && (refusal.Retry == "now" || refusal.Retry == "later"):
	default:
		refusal = nil
	}
	if refusal == nil {
		s.end(err)
		delete(c.subs, s.channel)
		return
	}
	s.phase = idle
	again.subs, again.errs = append(again.subs, s), append(again.errs, err)
	again.pause = max(again.pause, s.wait.next(false)+refusal.RetryAfter)
}

// later joins them again after the pause: with one request, as they were refused, since
// one for each could be more than a server takes in a second. Called with mu held.
func (r *refusedJoins) later(c *Conn) {
	if len(r.subs) == 0 {
		return
	}
	for i, s := range r.subs {
		c.states = append(c.states, State{Kind: Refused, Channel: s.channel, Err: r.errs[i], RetryIn: r.pause})
		s.again = r
	}
	r.left = len(r.subs)
	r.timer = time.AfterFunc(r.pause, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		var subs []*Subscription
		for _, s := range r.subs {
			if s.again == r {
				s.again = nil
				subs = append(subs, s)
			}
		}
		if len(subs) > 0 {
			c.join(subs...)
		}
	})
}

// drop tells that one of them waits no longer. Called with mu held.
func (r *refusedJoins) drop() {
	if r.left--; r.left == 0 {
		r.timer.Stop()
	}
}
