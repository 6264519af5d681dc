package boreas

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSubscriptionsByName compares the subscriptions that a session finds with a linear search,
// while it joins and leaves few and many channels.
func TestSubscriptionsByName(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := &Session{}
		var model []*subscription
		walk := func(name string, events bool) *subscription {
			for _, sub := range model {
				if sub.is(name, events) {
					return sub
				}
			}
			return nil
		}
		most := []int{5, 40, 400}[seed%3]
		for range 4000 {
			name, events := fmt.Sprint(r.IntN(most)), r.IntN(4) == 0
			sub := walk(name, events)
			switch {
			case sub == nil:
				ch := newChannel(name, nil)
				if events {
					ch.feed = &presence{}
				}
				sub = newSubscription(nil, ch)
				s.addSub(sub)
				if r.IntN(4) == 0 {
					s.removeLast()
				} else {
					model = append(model, sub)
				}
			case r.IntN(3) == 0:
				gone := []*subscription{sub}
				if other := model[r.IntN(len(model))]; other != sub {
					gone = append(gone, other)
				}
				s.removeSubs(gone)
				model = slices.DeleteFunc(model, func(sub *subscription) bool { return slices.Contains(gone, sub) })
			}
			if r.IntN(1000) == 0 {
				if got := s.removeAll(); !slices.Equal(got, model) {
					t.Fatalf("had %d subscriptions, want %d", len(got), len(model))
				}
				model = nil
			}
			if !slices.Equal(s.subs, model) {
				t.Fatalf("%d subscriptions, want %d in order", len(s.subs), len(model))
			}
			joined := 0
			for _, sub := range model {
				if sub.channel().feed == nil {
					joined++
				}
			}
			if int(s.joined) != joined {
				t.Fatalf("joined %d channels, want %d", s.joined, joined)
			}
			if len(model) > walkedSubs && s.table == nil {
				t.Fatalf("%d subscriptions are searched one by one", len(model))
			}
			if s.table != nil && len(s.table.slots) > max(16*len(model), 4*walkedSubs) {
				t.Fatalf("a table of %d slots for %d subscriptions", len(s.table.slots), len(model))
			}
			for range 5 {
				name, events := fmt.Sprint(r.IntN(most)), r.IntN(2) == 0
				if got, want := s.findSub(name, events), walk(name, events); got != want {
					t.Fatalf("%s, events %v: %p, want %p", name, events, got, want)
				}
			}
		}
	}
}
