package limit

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	here  = netip.MustParseAddr("192.0.2.7")
	there = netip.MustParseAddr("192.0.2.8")
)

// told returns the message of an error and the time to wait.
func told(err error) string {
	if err == nil {
		return "ok"
	}
	if !errors.Is(err, fault.RateLimited) {
		return "not a RateLimited: " + err.Error()
	}
	return fmt.Sprint(err, " ", fault.Wait(err))
}

// many calls do n times. It returns the number of successes, and the first error.
func many(n int, do func() error) (done int, refused error) {
	for range n {
		if err := do(); err == nil {
			done++
		} else if refused == nil {
			refused = err
		}
	}
	return done, refused
}

// TestRefill: a bucket is full at first, and refills at the rate of the limit.
func TestRefill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{
			Address: Bounds{Accepts: 10, Requests: 20, Bytes: 1000},
			User:    Bounds{Requests: 5, Publishes: 4, Bytes: 500},
			Key:     Bounds{Requests: 2, Publishes: 8, Bytes: 100},
		})
		var got []string
		round := func() {
			for _, c := range []struct {
				what string
				do   func() error
			}{
				{"accept", func() error { return l.Accept(here, false) }},
				{"request of an address", func() error { return l.Address(here).Request(1, 10) }},
				{"request of a user", func() error { return l.User("u1").Request(1, 10) }},
				{"publish of a user", func() error { return l.User("u1").Publish(1) }},
				{"request with a key", func() error { return l.Key("key_1").Request(1, 10) }},
				{"publish with a key", func() error { return l.Key("key_1").Publish(1) }},
			} {
				done, refused := many(1000, c.do)
				got = append(got, fmt.Sprintf("%d %s, then %s", done, c.what, told(refused)))
			}
		}
		round() // two seconds' worth of tokens
		time.Sleep(time.Second)
		round() // one second's worth
		time.Sleep(time.Hour)
		round() // two seconds' worth, not an hour's
		want := []string{
			"20 accept, then This address opens more connections per second than allowed (address_accepts). 100ms",
			"40 request of an address, then This address sends more requests per second than allowed (address_requests). 50ms",
			"10 request of a user, then This user sends more requests per second than allowed (user_requests). 200ms",
			"8 publish of a user, then This user publishes more messages per second than allowed (user_publishes). 250ms",
			"4 request with a key, then This key sends more requests per second than allowed (key_requests). 500ms",
			"16 publish with a key, then This key publishes more messages per second than allowed (key_publishes). 125ms",
			"10 accept, then This address opens more connections per second than allowed (address_accepts). 100ms",
			"20 request of an address, then This address sends more requests per second than allowed (address_requests). 50ms",
			"5 request of a user, then This user sends more requests per second than allowed (user_requests). 200ms",
			"4 publish of a user, then This user publishes more messages per second than allowed (user_publishes). 250ms",
			"2 request with a key, then This key sends more requests per second than allowed (key_requests). 500ms",
			"8 publish with a key, then This key publishes more messages per second than allowed (key_publishes). 125ms",
		}
		want = append(want, want[:6]...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]Count{
			{"address", "accepts", 3000 - 50},
			{"address", "requests", 3000 - 100},
			{"address", "bytes", 0},
			{"address", "failures", 0},
			{"user", "requests", 3000 - 25},
			{"user", "publishes", 3000 - 20},
			{"user", "bytes", 0},
			{"key", "requests", 3000 - 10},
			{"key", "publishes", 3000 - 40},
			{"key", "bytes", 0},
		}, l.Stats()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestWait: a client succeeds after exactly the wait in the error, and not a moment
// earlier.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, perSecond := range []int{1, 3, 7, 1000} {
			c := New(Options{User: Bounds{Publishes: perSecond}}).User("u1")
			_, err := many(10*perSecond, func() error { return c.Publish(1) })
			wait := fault.Wait(err)
			time.Sleep(wait - time.Nanosecond)
			if err := c.Publish(1); err == nil {
				t.Errorf("%d per second: allowed before the wait of %v ended", perSecond, wait)
			}
			time.Sleep(time.Nanosecond)
			if err := c.Publish(1); err != nil {
				t.Errorf("%d per second: after %v: %v", perSecond, wait, told(err))
			}
		}
	})
}

// TestMoreThanABucketHolds: a full bucket allows a larger request, and goes into debt.
func TestMoreThanABucketHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{User: Bounds{Bytes: 1000}}).User("u1")
		var got []string
		got = append(got, told(c.Request(1, 1)), told(c.Request(1, 10_000)))
		time.Sleep(time.Millisecond)
		got = append(got, told(c.Request(1, 10_000)), told(c.Request(1, 1)))
		time.Sleep(8*time.Second + time.Millisecond)
		got = append(got, told(c.Request(1, 1)))
		want := []string{
			"ok",
			"This user sends more bytes per second than allowed (user_bytes). 1ms",
			"ok",
			"This user sends more bytes per second than allowed (user_bytes). 8.001s",
			"ok",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestDebtDoesNotOverflow: a number too large for an int64 becomes a debt, not a full bucket.
func TestDebtDoesNotOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{User: Bounds{Bytes: 1}})
		if err := l.User("asks").Request(1, math.MaxInt); err != nil {
			t.Error(err)
		}
		for range 10 {
			l.User("sends").Sent(math.MaxInt)
		}
		for _, name := range []string{"asks", "sends"} {
			if l.User(name).Request(1, 1) == nil {
				t.Errorf("user %q has bytes left", name)
			}
		}
	})
}

// TestSent: bytes that have already arrived count against the next request.
func TestSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{User: Bounds{Bytes: 1000}}).User("u1")
		c.Sent(5000)
		got := []string{told(c.Request(1, 1))}
		time.Sleep(3*time.Second + time.Millisecond)
		got = append(got, told(c.Request(1, 1)))
		want := []string{"This user sends more bytes per second than allowed (user_bytes). 3.001s", "ok"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		(*Client)(nil).Sent(1)
	})
}

// TestRefusedRequestsDoNotCount: a request refused for its bytes does not count as a request.
func TestRefusedRequestsDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{User: Bounds{Requests: 5, Bytes: 100}}).User("u1")
		if err := c.Request(1, 200); err != nil {
			t.Fatal(err)
		}
		if done, err := many(100, func() error { return c.Request(1, 100) }); done != 0 {
			t.Fatalf("%d requests went through without bytes left: %v", done, err)
		}
		done, err := many(100, func() error { return c.Request(1, 0) })
		if done != 9 { // the first of 10 was used above
			t.Errorf("%d requests without bytes, want 9: %v", done, err)
		}
	})
}

func TestAddressesThatCountAsOne(t *testing.T) {
	l := New(Options{
		Address: Bounds{Accepts: 1, Requests: 1, Failures: 1},
		Exempt:  []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")},
	})
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.7", "192.0.2.7", true},
		{"192.0.2.7", "192.0.2.8", false},
		{"192.0.2.7", "::ffff:192.0.2.7", true},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		if same := l.Address(netip.MustParseAddr(c.a)) == l.Address(netip.MustParseAddr(c.b)); same != c.same {
			t.Errorf("%s and %s: same client %v, want %v", c.a, c.b, same, c.same)
		}
	}
	for _, a := range []netip.Addr{{}, netip.MustParseAddr("127.1.2.3"), netip.MustParseAddr("::ffff:127.0.0.1"), netip.MustParseAddr("2001:db8:1:2::3")} {
		if c := l.Address(a); c != nil {
			t.Errorf("%v has limits", a)
		}
		l.Failed(a)
		l.Failed(a)
		if _, err := many(100, func() error { return errors.Join(l.Accept(a, false), l.Failed(a)) }); err != nil {
			t.Errorf("%v: %v", a, err)
		}
	}
	if l.User("a") != nil || l.Key("a") != nil {
		t.Error("users and keys have no limits, but they have a Client")
	}
}

func TestNoLimits(t *testing.T) {
	for name, l := range map[string]*Limits{"nil": nil, "zero": New(Options{})} {
		l.Failed(here)
		_, err := many(10_000, func() error {
			return errors.Join(l.Accept(here, false), l.Failed(here), l.Address(here).Request(1, 1<<20), l.Address(here).Publish(1000),
				l.User("u").Request(1, 1<<20), l.User("u").Publish(1000), l.Key("k").Request(1, 1<<20), l.Key("k").Publish(1000))
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if l.Address(here) != nil || l.User("u") != nil || l.Key("k") != nil {
			t.Errorf("%s: there is a Client, although there are no limits", name)
		}
		for _, c := range l.Stats() {
			if c.Refused != 0 {
				t.Errorf("%s: %v", name, c)
			}
		}
		if n := len(l.Stats()); n != 10 {
			t.Errorf("%s: %d counts, want 10", name, n)
		}
	}
}

// TestRefusalsAreLogged: each limit logs one refusal per second, with the number of refusals since
// the previous one.
func TestRefusalsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []Refusal
		l := New(Options{
			Address: Bounds{Accepts: 1},
			User:    Bounds{Publishes: 1, Requests: 1},
			Refused: func(r Refusal) { got = append(got, r) },
		})
		for range 3 {
			many(10, func() error { return l.Accept(here, false) })
			many(10, func() error { return l.User("u1").Publish(1) })
			time.Sleep(time.Second / 2)
		}
		time.Sleep(time.Hour)
		many(10, func() error { return l.Accept(netip.MustParseAddr("2001:db8::1"), false) })
		want := []Refusal{
			{Count{"address", "accepts", 1}, "address_accepts", "192.0.2.7"},
			{Count{"user", "publishes", 1}, "user_publishes", "u1"},
			{Count{"address", "accepts", 7 + 10 + 1}, "address_accepts", "192.0.2.7"},
			{Count{"user", "publishes", 7 + 10 + 1}, "user_publishes", "u1"},
			{Count{"address", "accepts", 8 + 1}, "address_accepts", "2001:db8::/64"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestRequestsOfALongList: a request with a long list of entries counts as several requests.
func TestRequestsOfALongList(t *testing.T) {
	for entries, want := range map[int]int{0: 1, 1: 1, 10: 1, 11: 2, 20: 2, 21: 3, 1000: 100, 3420: 342} {
		if got := Requests(entries); got != want {
			t.Errorf("%d entries: %d requests, want %d", entries, got, want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{User: Bounds{Requests: 100}}).User("u1")
		got := []string{
			told(c.Request(Requests(1000), 1)), // half of the burst
			told(c.Request(Requests(1010), 1)),
			told(c.Request(Requests(1000), 1)),
			told(c.Request(1, 1)),
		}
		const refused = "This user sends more requests per second than allowed (user_requests). "
		if diff := cmp.Diff([]string{"ok", refused + "10ms", "ok", refused + "10ms"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestSetBoundsForgivesDebts: a client that owes days because of a limit that was far too low can go on
// with a higher limit or without one.
func TestSetBoundsForgivesDebts(t *testing.T) {
	for name, next := range map[string]Bounds{"higher": {Bytes: 1 << 20}, "none": {}} {
		l := New(Options{User: Bounds{Bytes: 1}})
		c := l.User("ann")
		if err := c.Request(1, 1<<20); err != nil {
			t.Fatal(err)
		}
		if err := c.Spend(1); err == nil {
			t.Fatal("a client in debt may go on")
		}
		same := Bounds{Bytes: 1}
		l.SetBounds(Bounds{}, same, Bounds{})
		if err := c.Spend(1); err == nil {
			t.Errorf("%s: the same limits forgive a debt", name)
		}
		l.SetBounds(Bounds{}, next, Bounds{})
		if err := c.Spend(1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
