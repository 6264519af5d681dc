// This file stands in for presence until that is there, and goes then.

package boreas

import "time"

type presenceOptions struct {
	mode     PresenceMode
	maxUsers int
	linger   time.Duration
}
type presence struct{ events *channel }

func newPresence(q *queue, name string, o presenceOptions) *presence {
	p := &presence{events: &channel{name: name, queue: q}}
	p.events.feed = p
	return p
}
func (p *presence) enter(session, user string, info []byte)     {}
func (p *presence) leave(session, user string)                  {}
func (p *presence) linger(session, user string, release func()) { release() }
func (p *presence) watch(sub *subscription) PresenceState {
	p.events.add(sub, atHead)
	return PresenceState{}
}
func (p *presence) resync(sub *subscription) []byte { return nil }
func (p *presence) state() PresenceState            { return PresenceState{} }
func (p *presence) close()                          {}
