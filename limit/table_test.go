package limit

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

// size is the size of tables in these tests.
const size = 1 << 10

func TestTablesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(Options{Address: Bounds{Accepts: 1, Failures: 1}, User: Bounds{Requests: 1}, Key: Bounds{Requests: 1}}, size)
		for i := range 10 * size {
			a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			l.Accept(a, false)
			l.Failed(a)
			l.User(fmt.Sprint(i)).Request(1, 1)
			l.Key(fmt.Sprint(i)).Request(1, 1)
		}
		for name, n := range map[string]int{"addresses": l.addresses.len(), "users": l.users.len(), "keys": l.keys.len(), "failures": l.failures.len()} {
			if n != size {
				t.Errorf("the table of %[2]s has %[1]d entries, want at most %[3]d", n, name, size)
			}
		}
	})
}

// TestIdleClientsAreForgottenFirst: a client with a used bucket is remembered while idle ones can go.
func TestIdleClientsAreForgottenFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(Options{User: Bounds{Requests: 10}, Address: Bounds{Failures: 1}}, size)
		const hostile = 20
		for i := range hostile {
			many(100, func() error { return l.User(fmt.Sprint("hostile", i)).Request(1, 1) })
			l.Failed(netip.AddrFrom4([4]byte{11, 0, 0, byte(i)}))
		}
		for i := range 3 * size {
			l.User(fmt.Sprint(i)) // makes no request
			l.failuresOf(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
		}
		for i := range hostile {
			if l.User(fmt.Sprint("hostile", i)).Request(1, 1) == nil {
				t.Errorf("hostile%d has a new bucket", i)
			}
			if l.Failed(netip.AddrFrom4([4]byte{11, 0, 0, byte(i)})) == nil {
				t.Errorf("the failures of 11.0.0.%d are forgotten", i)
			}
		}
	})
}

// failuresOf adds an address that has not failed to the table.
func (l *Limits) failuresOf(a netip.Addr) {
	network, _ := l.Network(a)
	getOrAdd(l.failures, network, func() *failures { return new(failures) })
}

// TestAllAreBusy: when all clients are busy, a new client still has a limit of its own.
func TestAllAreBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(Options{User: Bounds{Requests: 1}}, size)
		for i := range 2 * size {
			l.User(fmt.Sprint(i)).Request(1, 1)
		}
		c := l.User("new")
		if done, err := many(10, func() error { return c.Request(1, 1) }); done != 2 {
			t.Errorf("%d requests went through, want 2: %v", done, told(err))
		}
	})
}

// TestForgottenClientsShareTheNewBucket: a connection keeps a Client that the table forgets. The
// client connects again and gets a new Client. Both connections then share one bucket.
func TestForgottenClientsShareTheNewBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(Options{User: Bounds{Requests: 5, Publishes: 5}, Key: Bounds{Requests: 5}, Address: Bounds{Requests: 5}}, size)
		for name, get := range map[string]func() *Client{
			"user":    func() *Client { return l.User("u1") },
			"key":     func() *Client { return l.Key("key_1") },
			"address": func() *Client { return l.Address(here) },
		} {
			old := get()
			for i := 0; !old.gone.Load(); i++ {
				l.User(fmt.Sprint(i))
				l.Key(fmt.Sprint(i))
				l.Address(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
			}
			done, _ := many(6, func() error { return get().Request(1, 1) })
			more, err := many(100, func() error { return old.Request(1, 1) })
			if done+more != 10 {
				t.Errorf("%s: %d requests went through, want 10: %v", name, done+more, told(err))
			}
		}
	})
}

// TestManyAtOnce: many goroutines together take no more than the bucket holds.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{User: Bounds{Requests: 1000, Bytes: 1 << 30, Publishes: 500}, Address: Bounds{Accepts: 100, Failures: 10}})
		var mu sync.Mutex
		requests, publishes, accepts := 0, 0, 0
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				c := l.User("u1")
				r, _ := many(2000, func() error { return c.Request(1, 100) })
				p, _ := many(2000, func() error { return c.Publish(1) })
				a, _ := many(2000, func() error { return l.Accept(here, false) })
				many(100, func() error { return l.Failed(here) })
				mu.Lock()
				defer mu.Unlock()
				requests, publishes, accepts = requests+r, publishes+p, accepts+a
			})
		}
		all.Wait()
		if requests != 2000 || publishes != 1000 || accepts != 200 {
			t.Errorf("%d requests, %d publishes, %d accepts; want 2000, 1000, 200", requests, publishes, accepts)
		}
		if wait := fault.Wait(l.Failed(here)); wait != time.Second {
			t.Errorf("wait %v, want 1s", wait)
		}
	})
}

func TestRequestsDoNotAllocate(t *testing.T) {
	l := New(Options{User: Bounds{Requests: 1e9, Publishes: 1e9, Bytes: 1 << 40}, Address: Bounds{Accepts: 1e9, Failures: 1}})
	c := l.User("u1")
	l.Accept(here, false)
	n := testing.AllocsPerRun(100, func() {
		c.Request(1, 100)
		c.Publish(1)
		l.Accept(here, false)
		l.Check(here, nil)
		l.User("u1")
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	for name, l := range map[string]*Limits{
		"unbounded": nil,
		"bounded":   New(Options{User: Bounds{Requests: 1e9, Bytes: 1 << 50}}),
		"refused":   New(Options{User: Bounds{Requests: 1}}),
	} {
		c := l.User("u1")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Request(1, 1)
			}
		})
	}
}

func BenchmarkAccept(b *testing.B) {
	l := New(Options{Address: Bounds{Accepts: 1e9}})
	b.ReportAllocs()
	for b.Loop() {
		l.Accept(here, false)
	}
}
