package boreas_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
)

// Two sessions may come from one address. All addresses of an IPv6 /64 count as one address.
func TestSessionsOfAnAddress(t *testing.T) {
	inWorld(t, boreas.Options{MaxAddressSessions: 2, ExemptAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, func(w world) {
		var got, want []string
		var open []*boreas.Session
		reserve := func(address, result string) {
			a, _ := netip.ParseAddr(address) // "" stands for an unknown address
			s, err := w.hub.Reserve(a)
			got, want = append(got, fmt.Sprint(address, " ", err)), append(want, address+" "+result)
			if s != nil {
				open = append(open, s)
			}
		}
		defer func() {
			for _, s := range open {
				s.Done()
			}
		}()
		const full = "boreas: too many sessions from one address"
		reserve("192.0.2.7", "<nil>")
		reserve("192.0.2.7", "<nil>")
		reserve("192.0.2.7", full)
		reserve("::ffff:192.0.2.7", full)
		reserve("192.0.2.8", "<nil>")
		reserve("2001:db8::1", "<nil>")
		reserve("2001:db8::2:1", "<nil>")
		reserve("2001:db8::3", full)
		reserve("2001:db8:0:1::3", "<nil>")
		for range 3 {
			reserve("127.0.0.1", "<nil>")
			reserve("", "<nil>")
		}
		for _, s := range open { // the counts return to zero
			s.Done()
		}
		open = nil
		reserve("192.0.2.7", "<nil>")
		reserve("2001:db8::3", "<nil>")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestExemptNeighbours checks that an exempt address may lie in a network that is limited as one
// address. An exempt address may have a zone, or be written as IPv6.
func TestExemptNeighbours(t *testing.T) {
	exempt := []netip.Prefix{netip.MustParsePrefix("2001:db8::1/128"), netip.MustParsePrefix("fe80::1/128"), netip.MustParsePrefix("192.0.2.7/32")}
	inWorld(t, boreas.Options{MaxAddressSessions: 1, ExemptAddresses: exempt}, func(w world) {
		var open []*boreas.Session
		defer func() {
			for _, s := range open {
				s.Done()
			}
		}()
		reserve := func(address string) error {
			s, err := w.hub.Reserve(netip.MustParseAddr(address))
			if s != nil {
				open = append(open, s)
			}
			return err
		}
		for range 2 {
			for _, address := range []string{"fe80::1%eth0", "::ffff:192.0.2.7"} {
				if err := reserve(address); err != nil {
					t.Errorf("%s: %v", address, err)
				}
			}
		}
		if err := reserve("2001:db8::2"); err != nil {
			t.Error(err)
		}
		s, err := w.hub.Reserve(exempt[0].Addr())
		if err != nil {
			t.Fatal(err)
		}
		s.Done()
		if err := reserve("2001:db8::3"); err != boreas.ErrTooManyAddressSessions {
			t.Errorf("a second session: %v", err)
		}
	})
}
