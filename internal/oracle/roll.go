package oracle

import (
	"fmt"
	"maps"
	"slices"
)

// A Roll is what a subscriber was told of who is on a channel, in that order. It is
// recorded by one goroutine at a time.
type Roll struct {
	Subscriber string
	Channel    string
	Calls      []Call

	// Present are the users that were there in the end, nil if that is not known.
	Present []string
}

// A Call is one thing that a subscriber was told of who is there.
type Call struct {
	// Event is "state" for a snapshot, "join", "leave", "count", or "" if the
	// connection was lost: what is known then is worth nothing until the next snapshot.
	Event   string
	User    string   // of join and leave
	Members []string // of state
	Users   int      // how many users there are after it, as told
}

// Add records a call.
func (r *Roll) Add(c Call) { r.Calls = append(r.Calls, c) }

// Known returns the users that the subscriber knows to be there now, sorted, and false
// if it does not know.
func (r *Roll) Known() (users []string, ok bool) {
	there := r.follow(func(int, string, ...any) {})
	return slices.Sorted(maps.Keys(there)), there != nil
}

// judgeRoll checks that each event applies to what the subscriber knew before it, and
// that it knows who is there in the end.
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
		finding(len(r.Calls), "in the end it knows of %v, and there are %v", got, want)
	}
}

// follow applies the events one after the other, and returns who is there then; nil if
// that is not known.
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
