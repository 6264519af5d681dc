package testport_test

import (
	"net"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/testport"
)

// A held port can be used again and again, and nobody else gets it.
func TestHold(t *testing.T) {
	const held, others = 2000, 2000 // of about 28,000 ports, so without holding 140 would meet
	all, err := testport.Hold(held)
	if err != nil {
		t.Fatal(err)
	}
	taken := make(map[string]bool)
	for _, h := range all {
		defer h.Release()
		taken[h.Addr()] = true
	}
	for range 2 {
		l, err := net.Listen("tcp", all[0].Addr())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", all[0].Addr())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		l.Close()
	}
	for range others {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if taken[l.Addr().String()] {
			t.Fatalf("another listener got the held address %v", l.Addr())
		}
	}
	all[1].Release()
	if l, err := net.Listen("tcp", all[1].Addr()); err != nil {
		t.Errorf("after the release: %v", err)
	} else {
		l.Close()
	}
}
