package client

import (
	"errors"
	"time"
)

// refusedJoins are subscriptions whose joins were refused for now by one reply. All fields are
// guarded by Conn.mu.
type refusedJoins struct {
	subs  []*Subscription
	errs  []error
	pause time.Duration // the longest of the subscriptions' waits
	timer *time.Timer   // makes the next attempt
	left  int           // how many subscriptions still wait
}

// refuse handles a refused join. The caller holds mu. The join is tried again in three cases:
//
//   - The request was over the rate limit, so the server did not examine it (clause 2.9).
//   - The token had expired. Either a new token or the end of the connection follows.
//   - The subscription was joined before, and the server says that a retry may help. For example,
//     it may still count the lost connection.
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

// later schedules another attempt after the pause. It uses one request for all of the
// subscriptions, because one request each could exceed the server's rate limit. The caller holds
// mu.
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

// drop records that one of the subscriptions does not wait any more. The caller holds mu.
func (r *refusedJoins) drop() {
	if r.left--; r.left == 0 {
		r.timer.Stop()
	}
}
