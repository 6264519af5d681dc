package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/peer"
	"github.com/boreas-pubsub/boreas/v2/limit"
)

const silentGrace = time.Second

// crowdRig tests the limits with connections that are not real.
type crowdRig struct {
	*connections
	t *testing.T
}

func newCrowd(t *testing.T, room, reserve, share int) *crowdRig {
	return &crowdRig{newConnections(connectionsOptions{
		room: func() int { return room }, reserve: reserve, share: share, silentGrace: silentGrace,
		limits:  limit.New(limit.Options{Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}),
		proxies: peer.Proxies{netip.MustParsePrefix("10.0.0.0/8")},
		log:     func(string, string, uint64) {},
	}), t}
}

func (r *crowdRig) begin(address string) (*from, *connection) {
	c := &from{address: netip.MustParseAddr(address)}
	k := r.connections.begin(c)
	r.state(c, http.StateNew)
	if c.closed {
		r.state(c, http.StateClosed) // as net/http does
	}
	return c, k
}

// served adds a connection that must be served.
func (r *crowdRig) served(address string) *from {
	r.t.Helper()
	c, k := r.begin(address)
	if k.refusal != nil || c.closed {
		r.t.Errorf("a connection of %s is refused: %v, closed: %v", address, k.refusal, c.closed)
	}
	return c
}

// refuses adds a connection that must be refused with the error want. If closed is set, the
// connection must be closed at once.
func (r *crowdRig) refuses(address string, closed bool, want *fault.Fault) {
	r.t.Helper()
	c, k := r.begin(address)
	if k.refusal == nil || fault.Of(k.refusal) != want || c.closed != closed {
		r.t.Errorf("a connection of %s: %v, closed: %v", address, k.refusal, c.closed)
	}
}

// TestWaitingConnectionsMakeRoom: connections without a request under way make room for others.
// First those that have been idle for the longest time, then those that have sent nothing for some
// time.
func TestWaitingConnectionsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newCrowd(t, 4, 0, 100)
		silent := r.served("192.0.2.1")
		time.Sleep(time.Millisecond)
		idle := r.served("192.0.2.2")
		later := r.served("192.0.2.3")
		active := r.served("192.0.2.4")
		for _, c := range []*from{idle, later, active} {
			r.state(c, http.StateActive)
		}
		r.refuses("192.0.2.5", true, fault.Overloaded) // no connection has waited for long enough
		r.state(idle, http.StateIdle)
		time.Sleep(idleGrace)
		r.state(later, http.StateIdle)
		r.state(r.served("192.0.2.6"), http.StateActive)
		if !idle.closed || later.closed || silent.closed {
			t.Error("the connection that was idle first is not closed, or another one is")
		}
		time.Sleep(silentGrace)
		r.state(r.served("192.0.2.7"), http.StateActive)
		if !later.closed || silent.closed {
			t.Error("the connection that was idle second is not closed, or another one is")
		}
		r.state(r.served("192.0.2.8"), http.StateActive)
		if !silent.closed || active.closed {
			t.Error("the silent connection is not closed, or another one is")
		}
		time.Sleep(time.Hour)
		r.refuses("192.0.2.9", true, fault.Overloaded)
		if n, evicted, full := r.number(), r.evicted.Load(), r.full.Total(); n != 4 || evicted != 3 || full != 2 {
			t.Errorf("%d connections are open, %d were evicted, %d were refused", n, evicted, full)
		}
		for _, c := range []*from{idle, later, silent} { // net/http reports their states later
			r.state(c, http.StateClosed)
		}
		if n := r.number(); n != 4 {
			t.Errorf("%d connections are open", n)
		}
		r.state(active, http.StateClosed)
		r.served("192.0.2.9")
	})
}

// TestRefusalsAreAnswered: the last part of the room is reserved for error responses.
func TestRefusalsAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newCrowd(t, 10, 3, 100)
		for range 7 {
			r.served("192.0.2.1")
		}
		for range 3 {
			r.refuses("192.0.2.2", false, fault.Overloaded)
		}
		r.refuses("192.0.2.2", true, fault.Overloaded)
		// All connections that have sent nothing for some time make room for one that is served.
		time.Sleep(silentGrace)
		r.served("192.0.2.3")
		if n := r.number(); n != 7 {
			t.Errorf("%d connections are open", n)
		}
	})
}

// TestOneAddressDoesNotTakeAllConnections: one address has only its share, even if its own
// connections wait. Exempt addresses and proxies have no limit.
func TestOneAddressDoesNotTakeAllConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newCrowd(t, 1000, 0, 16)
		for i := range 14 {
			r.served("2001:db8::" + fmt.Sprint(i+1))
			r.served("192.0.2.1")
		}
		for i, closed := range []bool{false, false, true, true} {
			r.refuses("2001:db8::f"+fmt.Sprint(i), closed, fault.TooManyConnections)
			r.refuses("192.0.2.1", closed, fault.TooManyConnections)
		}
		for range 100 {
			r.served("127.0.0.1")
			r.served("10.0.0.1")
		}
		other := r.served("192.0.2.2")
		time.Sleep(silentGrace)
		r.served("192.0.2.1") // takes the place of its own connection
		if other.closed || r.evicted.Load() != 3 {
			t.Error("a connection of another address is closed")
		}
		if n := r.crowding.Total(); n != 8 {
			t.Errorf("%d refusals were counted", n)
		}
		r.state(other, http.StateHijacked)
		if n := len(r.peers); n != 2 {
			t.Errorf("%d addresses are remembered", n)
		}
	})
}

// TestHandshakesAndSessions: a handshake may take an unused place of a session, but not a used one.
func TestHandshakesAndSessions(t *testing.T) {
	sessions := 0
	r := newCrowd(t, 0, 0, 100)
	r.room = func() int { return 1 + 2 - sessions }
	first := r.served("192.0.2.1")
	r.served("192.0.2.1")
	r.served("192.0.2.1")
	r.refuses("192.0.2.1", true, fault.Overloaded)
	r.state(first, http.StateHijacked)
	sessions++
	r.refuses("192.0.2.1", true, fault.Overloaded)
	sessions--
	r.served("192.0.2.1")
}

// dialIdle opens connections to a port and sends the text on each.
func dialIdle(t *testing.T, address net.Addr, n int, text string) (conns []net.Conn) {
	t.Helper()
	for range n {
		c, err := net.Dial("tcp", address.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	return conns
}

// TestIdleConnectionsToTheAPI: the API's port is full of idle connections. It still answers, and
// subscribers can connect.
func TestIdleConnectionsToTheAPI(t *testing.T) {
	for name, sent := range map[string]string{"silent": "", "idle": "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			s := start(t, testConfig(func(c *config.Config) { c.APIConnections = 20 }), Options{})
			dialIdle(t, s.APIAddr(), 100, sent)
			waitUntil(t, func() bool { return s.api.connections.evicted.Load()+s.api.connections.full.Total() >= 80 })
			if n := s.api.connections.number(); n > 20 {
				t.Errorf("%d connections are open", n)
			}
			waitUntil(t, func() bool { // until some have waited long enough
				response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + s.APIAddr().String() + "/v2/stats")
				if err != nil {
					return false
				}
				response.Body.Close()
				return response.StatusCode == 200
			})
			subscribe(t, s, "news")
		})
	}
}

// TestRequestsOverAPIConnections: if all connections are in use, a request gets an error with
// that reason. Monitoring requests are served.
func TestRequestsOverAPIConnections(t *testing.T) {
	s := start(t, testConfig(func(c *config.Config) { c.APIConnections = 16 }), Options{}) // 2 of them for error responses
	var publishers []net.Conn
	for range 14 {
		publishers = append(publishers, halfPublish(t, s, `{"payload": 1}`))
	}
	for path, want := range map[string]string{
		"/v2/stats": `503 {"error":{"code":"overloaded","message":"This port of the server has reached its limit of connections.",`,
		"/token/":   `503 {"errors": ["This port of the server has reached its limit of connections."]}`,
		"/healthz":  "200 ok\n",
		"/readyz":   "200 ok\n",
		"/metrics":  "200 # HELP",
	} {
		status, body := call(t, s, "GET", path, "")
		if got := fmt.Sprint(status, " ", body); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %.200s", path, got)
		}
		waitUntil(t, func() bool { return s.api.connections.number() == 14 })
	}
	_, metrics := call(t, s, "GET", "/metrics", "")
	for _, want := range []string{
		`boreas_connections{port="api"} 15`, `boreas_connections{port="ws"} 0`, `boreas_connections_evicted_total{port="api"} 0`,
		`boreas_connections_refused_total{port="api",reason="full"} 6`, `boreas_connections_refused_total{port="api",reason="address"} 0`,
		`boreas_file_descriptors{for="api"} 16`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
	for _, c := range publishers {
		io.WriteString(c, "}")
	}
}
