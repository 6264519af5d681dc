package server

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/ws"
)

// TestConnectionsThatSendNothing opens more of them than there is room for.
func TestConnectionsThatSendNothing(t *testing.T) {
	hub := boreas.New(boreas.Options{})
	defer hub.Shutdown(t.Context(), 0)
	count := new(ws.Counters)
	s := &Server{hub: hub}
	state := s.newHandshakes(1, 2, count).state
	open := func() (near, far net.Conn) {
		near, far = net.Pipe()
		t.Cleanup(func() { near.Close(); far.Close() })
		state(far, http.StateNew)
		return near, far
	}
	var silent []net.Conn
	for range 3 { // one session's place, and two
		_, far := open()
		silent = append(silent, far)
	}
	if n := count.Crowded.Load(); n != 0 {
		t.Fatalf("%d of 3 were closed", n)
	}
	_, far := open()
	if _, err := far.Write([]byte("x")); err != io.ErrClosedPipe || count.Crowded.Load() != 1 {
		t.Errorf("the fourth was not closed: write gave %v", err)
	}
	state(far, http.StateClosed)
	state(silent[0], http.StateClosed)
	open()
	if n := count.Crowded.Load(); n != 1 {
		t.Errorf("one has gone, and there is still no room")
	}
	// A connection that becomes a session counts as that.
	state(silent[1], http.StateHijacked)
	session, err := hub.Reserve(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	_, far = open()
	if n := count.Crowded.Load(); n != 2 {
		t.Errorf("a session takes no room")
	}
	state(far, http.StateClosed)
	s.sharing.Add(1) // but one that shares its connection, which was counted before
	open()
	if n := count.Crowded.Load(); n != 2 {
		t.Errorf("a session that has no connection to itself takes room")
	}
	session.Done()
}
