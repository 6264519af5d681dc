package sse

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// clauses 9.4, 10.4, 10.6
func TestPresence(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		for _, query := range []string{"?channel=room", "?channel=room&channel=hall"} {
			r := newRig(t, k, boreas.Options{Rules: new(boreas.Rules).Add(boreastest.Pattern("**"), boreas.Rule{Presence: boreas.PresenceFull}), PresenceLinger: time.Nanosecond}, Options{})
			s, join := r.open(query + "&presence=true")
			if want := `"presence":{"users":1,"sessions":1,"members":[{"user":"user of valid",`; !strings.Contains(join.Data, want) {
				t.Errorf("the join is %s", join.Data)
			}
			other := r.ask("GET", "?channel=room&access_token=valid2")
			// While a connection is not ready, its session receives the state instead of events.
			if e := s.next(); e.Type != "presence" || e.ID != "" || !strings.HasPrefix(e.Data, `{"channel":"room","presence":{"event":"`) || !strings.Contains(e.Data, `"users":2,"sessions":2`) {
				t.Errorf("got %+v", e)
			}
			other.Body.Close()
			if e := s.next(); e.Type != "presence" || e.ID != "" || !strings.Contains(e.Data, `"users":1,"sessions":1`) {
				t.Errorf("got %+v", e)
			}
		}
	})
}

// clause 10.7: the server sends comments, and a client that receives them stays connected.
func TestAClientThatReadsCommentsStays(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, boreas.Options{PingInterval: 64 * time.Millisecond, PongTimeout: 32 * time.Millisecond}, Options{})
		s, _ := r.open("?channel=a")
		for range 6 {
			if e, err := s.Read(); err != nil || e != (event{Type: ":"}) {
				t.Fatalf("got %+v, %v; want a comment", e, err)
			}
		}
		p := r.publish("a", "1")
		s.want(message(idOf([]string{"a"}, p), "a", "1", p))
	})
}

// clause 8.1: the server disconnects a client that receives nothing for a while.
func TestAClientThatReadsNothingIsClosed(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, boreas.Options{PingInterval: 64 * time.Millisecond, PongTimeout: 64 * time.Millisecond}, Options{})
		r.open("?channel=a") // and stops reading
		big := `"` + incompressible(1<<20) + `"`
		for range 16 {
			r.publish("a", big)
		}
		began := time.Now()
		r.gone()
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it took %v; a write may have waited for the client", took)
		}
	})
}

// incompressible returns a text that compression makes only a quarter smaller.
func incompressible(n int) string {
	bytes := make([]byte, n*3/4)
	rand.Read(bytes)
	return base64.StdEncoding.EncodeToString(bytes)
}

// A batch that was taken before the end is written after it.
func TestLastBatchOverAResponse(t *testing.T) {
	hub := boreas.New(boreas.Options{})
	defer hub.Shutdown(context.Background(), 0)
	for range 20 { // which of the two is noticed first is random
		sess, err := hub.Reserve(netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		o := &response{sess: sess, w: w, held: hub.Held(boreas.HeldBatch, netip.Addr{}, ""), rc: http.NewResponseController(w), work: make(chan []byte, 1), ended: make(chan struct{})}
		o.begun.Store(true)
		if n, err := o.TryWrite([]byte("bye")); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		close(o.ended)
		o.serve(nil)
		sess.Done()
		if w.Body.String() != "bye" {
			t.Fatalf("wrote %q", w.Body)
		}
	}
}

func TestPeerTimeoutFindsVanishedClients(t *testing.T) {
	r := newRig(t, overSocket, boreas.Options{}, Options{PeerTimeout: 100 * time.Millisecond})
	r.open("?channel=a") // and stops reading: on one machine, this is the nearest thing to a client that lost power
	big := `"` + strings.Repeat("x", 1<<20) + `"`
	for range 16 {
		r.publish("a", big)
	}
	r.gone()
}

// clause 10.1: a client cannot change its request.
func TestAClientThatSendsIsClosed(t *testing.T) {
	for _, k := range []kind{overSocket, overPlain} {
		r := newRig(t, k, boreas.Options{}, Options{})
		nc, err := net.Dial("tcp", r.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		fmt.Fprintf(nc, "GET %s?channel=a HTTP/1.1\r\nHost: x\r\nAuthorization: bearer valid\r\n\r\n", Path)
		chat := make([]byte, maxInput+1)
		for _, err = nc.Write(chat); err == nil; _, err = nc.Write(chat[:1]) {
		}
		r.gone()
	}
}

// clause 3.6: a token is deleted while its session is being started.
func TestATokenDeletedWhileItIsUsed(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, boreas.Options{Valid: func(*access.Grant) error { return fault.TokenRevoked }}, Options{})
		resp := r.ask("GET", "?channel=a&access_token=valid")
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("got %s", resp.Status)
		}
		r.gone()
	})
}

// clauses 3.6, 10.4
func TestARevokedToken(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, boreas.Options{}, Options{})
		s, _ := r.open("?channel=a")
		if n := r.hub.RevokeSessions(func(*access.Grant) bool { return true }, 0); n != 1 {
			t.Errorf("the token had %d sessions", n)
		}
		if e := s.next(); e.Type != "goodbye" || !strings.HasPrefix(e.Data, `{"error":{"code":"token_revoked",`) {
			t.Errorf("got %+v", e)
		}
		s.wantEnd()
		r.gone()
	})
}

// A session that ends before its stream has begun is refused, and writes nothing else.
func TestAnEndBeforeTheStreamBegins(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		var r *rig
		r = newRig(t, k, boreas.Options{Valid: func(*access.Grant) error {
			r.hub.RevokeSessions(func(*access.Grant) bool { return true }, 0)
			return nil
		}}, Options{})
		resp := r.ask("GET", "?channel=a&access_token=valid")
		if resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("got %s", resp.Status)
		}
		r.gone()
	})
}

func TestManyConnectAndDisconnect(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, boreas.Options{}, Options{NoAuth: true})
		for round := range 3 {
			var all []*reader
			for range 30 {
				s, _ := r.open("?channel=a")
				all = append(all, s)
			}
			p := r.publish("a", "1")
			for i, s := range all {
				s.want(message(idOf([]string{"a"}, p), "a", "1", p))
				if (round+i)%2 == 0 {
					s.body.Close()
				}
			}
		}
	})
}
