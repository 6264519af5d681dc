package oracle

import (
	"fmt"
	"maps"
	"slices"
)

// A Roll is what a subscriber received about the presence on a channel, in order. Only one
// goroutine at a time may use it.
type Roll struct {
	Subscriber string
	Channel    string
	Calls      []Call

	// Present are the users that were present at the end; nil if unknown.
	Present []string
}

// shownCalls is how many of the last events a finding shows.
const shownCalls = 12

// A Call is one presence event that a subscriber received.
type Call struct {
	// Event is "state" for a snapshot, "join", "leave" or "count". It is "" if the connection was
	// lost: the presence is then unknown until the next snapshot.
	Event   string
	User    string   // for join and leave
	Members []string // for state
	Users   int      // the number of users after the event, according to the server
}

// Add records a call.
func (r *Roll) Add(c Call) { r.Calls = append(r.Calls, c) }

// Known returns the users that the subscriber knows to be present, sorted. It returns false if the
// subscriber does not know.
func (r *Roll) Known() (users []string, ok bool) {
	there := r.follow(func(int, string, ...any) {})
	return slices.Sorted(maps.Keys(there)), there != nil
}

// judgeRoll checks that each event matches the presence before it, and that the final presence is
// right.
func judgeRoll(r *Roll, v *Verdict) {
	finding := func(i int, format string, args ...any) {
		v.Findings = append(v.Findings, Finding{r.Subscriber, r.Channel, i, "wrong presence", fmt.Sprintf(format, args...)})
	}
	there := r.follow(finding)
	if r.Present == nil || there == nil {
		return
	}
	want, got := slices.Sorted(slices.Values(r.Present)), slices.Sorted(maps.Keys(there))
	if !slices.Equal(want, got) {
		last := r.Calls[max(0, len(r.Calls)-shownCalls):]
		finding(len(r.Calls), "in the end it knows of %v, and there are %v; the last events were %v", got, want, last)
	}
}

// follow applies the events in order, and returns the final presence. It returns nil if that is
// unknown.
func (r *Roll) follow(finding func(i int, format string, args ...any)) (there map[string]bool) {
	for i, c := range r.Calls {
		switch c.Event {
		case "", "count":
			there = nil
			continue
		case "state":
			there = make(map[string]bool)
			for _, user := range c.Members {
				there[user] = true
			}
		case "join":
			if there != nil && there[c.User] {
				finding(i, "%s came, and was there already", c.User)
			}
			if there != nil {
				there[c.User] = true
			}
		case "leave":
			if there != nil && !there[c.User] {
				finding(i, "%s left, and was not there", c.User)
			}
			delete(there, c.User)
		}
		if there != nil && len(there) != c.Users {
			finding(i, "%d users were told after %s %s, and %d are known", c.Users, c.Event, c.User, len(there))
		}
	}
	return there
}
