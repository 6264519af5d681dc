package boreas_test

import (
	"net/netip"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
)

// TestUsersAreBounded counts the sessions and channels of users whose name comes from a token.
func TestUsersAreBounded(t *testing.T) {
	inWorld(t, boreas.Options{MaxUserSessions: 2, MaxUserChannels: 3}, func(w world) {
		g := grantOf(t, "u", access.Permission{Pattern: "**", Allow: access.AllVerbs})
		one, _ := w.as(g, "a", "b")
		two, _ := w.as(g, "a")
		if err := join(two, "c"); err != boreas.ErrTooManyUserChannels {
			t.Errorf("a fourth channel: %v", err)
		}
		three, _ := w.as(boreastest.Grant("x", "u")) // this user's name does not come from a token
		if err := three.Authenticate(g); err != boreas.ErrTooManyUserSessions || three.Identity() != "x" {
			t.Errorf("a third session: %v, its identity is %q", err, three.Identity())
		}
		if err := one.Authenticate(g); err != nil {
			t.Errorf("again: %v", err)
		}
		one.Leave("b", "nowhere")
		w.join(two, "c")
		if err := join(two, "d"); err != boreas.ErrTooManyUserChannels {
			t.Errorf("a fourth channel, again: %v", err)
		}
		one.End(boreas.ErrTerminated)
		w.join(two, "d")
		if err := three.Authenticate(g); err != nil {
			t.Errorf("after another has ended: %v", err)
		}
		two.Deauthenticate()
		three.Lost(boreas.ErrLeft)
		for range 3 { // the counts have returned to zero
			s, _ := w.as(g, "a", "b", "c")
			if err := s.Authenticate(boreastest.Grant("x", "x")); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestAddressesAreBounded counts the sessions of addresses.
func TestAddressesAreBounded(t *testing.T) {
	exempt := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	inWorld(t, boreas.Options{MaxAddressSessions: 2, ExemptAddresses: exempt}, func(w world) {
		reserve := func(address string) (*boreas.Session, error) {
			a, _ := netip.ParseAddr(address)
			return w.hub.Reserve(a)
		}
		var open []*boreas.Session
		for _, address := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.2", "10.1.1.1", "10.1.1.1", "10.1.1.1", "", "", ""} {
			s, err := reserve(address)
			if err != nil {
				t.Errorf("%q: %v", address, err)
				continue
			}
			open = append(open, s)
		}
		if _, err := reserve("192.0.2.1"); err != boreas.ErrTooManyAddressSessions {
			t.Errorf("a third session: %v", err)
		}
		open[0].Done()
		s, err := reserve("192.0.2.1")
		if err != nil {
			t.Errorf("after another has ended: %v", err)
		}
		for _, s := range append(open[1:], s) {
			s.Done()
		}
	})
}
