package boreas

// Leave removes the session from channels. After Leave has returned, the session receives nothing
// more from them, except for the rest of a partly written message.
func (s *Session) Leave(channels ...string) {
	s.mu.Lock()
	d, before := departure{session: s, user: s.user()}, s.joined
	seen := make(map[string]bool, len(channels))
	for _, name := range channels {
		if sub := s.find(name); sub != nil && !seen[name] {
			seen[name] = true
			d.subs = append(d.subs, sub)
			if feed := s.findFeed(name); feed != nil {
				d.subs = append(d.subs, feed)
			}
		}
	}
	if len(d.subs) > 0 {
		s.removeSubs(d.subs)
		s.hub.registry.addChannels(s, int(s.joined-before))
	}
	s.mu.Unlock()
	s.hub.drop(d)
}

// departure has the subscriptions of a session that leaves channels, the user as which it was
// there, and whether it may reconnect soon.
type departure struct {
	subs    []*subscription
	session *Session
	user    string
	linger  bool
}

// depart takes all subscriptions off the session. The caller holds mu. After unlocking mu it must
// drop the departure.
func (s *Session) depart(linger bool) departure {
	s.hub.registry.addChannels(s, -int(s.joined))
	return departure{subs: s.removeAll(), session: s, user: s.user(), linger: linger}
}

// drop removes the subscriptions from their channels.
func (h *Hub) drop(d departure) {
	for _, sub := range d.subs {
		ch := sub.channel()
		last := ch.remove(sub)
		if ch.feed != nil {
			h.room.add(-subscriptionCost)
			continue // holds no reference, because the subscription to the channel holds one
		}
		h.stats.unsubscribed(last)
		switch p := ch.presence; {
		case p != nil && d.linger:
			p.linger(d.session.ID(), d.user, func() { h.release(ch) })
		case p != nil:
			p.leave(d.session.ID(), d.user)
			h.release(ch)
		default:
			h.release(ch)
		}
	}
}
