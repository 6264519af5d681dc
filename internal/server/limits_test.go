package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/peer"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
	"github.com/boreas-pubsub/boreas/v2/limit"
)

// answer sends a request from the address, with X-Forwarded-For if through is not empty, and
// returns the response.
func answer(h http.Handler, r *http.Request, from string, through ...string) string {
	r.RemoteAddr = from + ":1234"
	for _, line := range through {
		r.Header.Add("X-Forwarded-For", line)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	text := fmt.Sprint(w.Code, " ")
	if wait := w.Header().Get("Retry-After"); wait != "" {
		text += "after " + wait + " "
	}
	return text + strings.TrimSpace(w.Body.String())
}

func get(path string) *http.Request { return httptest.NewRequest("GET", path, nil) }

// who answers with the address that the server considers to be the client's.
var who = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) })

var proxies = peer.Proxies{netip.MustParsePrefix("10.0.0.0/8")}

func TestGateLimitsAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := limit.New(limit.Options{Address: limit.Bounds{Accepts: 1, Failures: 1}})
		g := newGate(gateOptions{proxies: proxies, limits: limits, perSecond: 100}, who)
		const tooFast = "This address opens more connections per second than allowed (address_accepts)."
		got := []string{
			answer(g, get("/v2"), "192.0.2.7"),
			answer(g, get("/v2"), "192.0.2.7"),
			answer(g, get("/v2"), "192.0.2.7"),
			answer(g, get("/v2/events"), "192.0.2.7"),
			answer(g, get("/"), "192.0.2.7"),
			// A client behind a proxy has its own limit, and cannot choose its address.
			answer(g, get("/v2"), "10.0.0.1", "192.0.2.8"),
			answer(g, get("/v2"), "10.0.0.1", "192.0.2.9, 192.0.2.8"),
			answer(g, get("/v2"), "10.0.0.1", "198.51.100.1, 192.0.2.8, 10.0.0.2"),
			answer(g, get("/v2"), "10.0.0.1", "192.0.2.7"),
			answer(g, get("/"), "192.0.2.7", "198.51.100.2"),
		}
		object := func(ms, text string) string {
			return `{"error":{"code":"rate_limited","message":"` + text + `","retry":"later","docs":"docs/errors.md#rate_limited","retry_after_ms":` + ms + `}}`
		}
		want := []string{
			"200 192.0.2.7:1234",
			"200 192.0.2.7:1234",
			"429 after 1 " + object("1000", tooFast),
			"429 after 1 " + object("1000", tooFast),
			"429 after 1 " + tooFast,
			"200 192.0.2.8:0",
			"200 192.0.2.8:0",
			"429 after 1 " + object("1000", tooFast),
			"429 after 1 " + object("1000", tooFast),
			"429 after 1 " + tooFast,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		// Refused connections of one client do not count against the limit for all.
		for range 1000 {
			answer(g, get("/v2"), "192.0.2.7")
		}
		if n := g.count.tooFast.Load(); n != 0 {
			t.Errorf("%d were refused for accept_rate", n)
		}
		// An address with failures may connect: a valid token from the same address must be accepted.
		time.Sleep(time.Minute)
		if a := netip.MustParseAddr("192.0.2.8"); limits.Failed(a) != nil || limits.Failed(a) == nil {
			t.Error("the failures of the address cause no wait")
		}
		if got := answer(g, get("/v2"), "10.0.0.1", "192.0.2.8"); got != "200 192.0.2.8:0" {
			t.Error(got)
		}
	})
}

// TestPagesDoNotUseUpLimits: if the origin of a page may not connect, its requests do not count for
// the visitor. Embedded requests count separately from the visitor's own requests.
func TestPagesDoNotUseUpLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := limit.New(limit.Options{Address: limit.Bounds{Accepts: 5, Failures: 1}})
		allowed := new(liveOrigins)
		allowed.set(config.Config{AllowOrigin: "https://app.example"})
		g := newGate(gateOptions{origins: allowed, limits: limits, perSecond: 50}, who)
		got := map[string]int{}
		with := func(path string, header ...string) *http.Request {
			r := get(path)
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			return r
		}
		for range 100 {
			got["evil "+answer(g, with("/v2", "Origin", "https://evil.example"), "192.0.2.7")[:3]]++
			got["embedded "+answer(g, with("/v2/events", "Sec-Fetch-Site", "cross-site"), "192.0.2.7")[:3]]++
			got["linked "+answer(g, with("/", "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate"), "192.0.2.7")[:3]]++
		}
		for range 10 {
			got["own "+answer(g, with("/v2", "Origin", "https://app.example", "Sec-Fetch-Site", "cross-site"), "192.0.2.7")[:3]]++
		}
		want := map[string]int{"evil 403": 100, "embedded 200": 5, "embedded 429": 95, "linked 200": 5, "linked 429": 95, "own 200": 10}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestLimitsOfTheConfiguration: each option sets its limit, and each limit is logged once per
// second.
func TestLimitsOfTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := func(option, client string, n int) string {
			return fmt.Sprintf("level=WARN msg=\"a client exceeds a limit\" option=%s client=%s refused=%d\n", option, client, n)
		}
		logger, log := testlog.New()
		s := &Server{log: logger}
		l := s.newLimits(config.Config{
			UnlimitedAddresses: "127.0.0.0/8",
			AddressAccepts:     1, AddressRequests: 2, AddressBytes: 3, AddressFailures: 4,
			UserRequests: 5, UserPublishes: 6, UserBytes: 7,
			KeyRequests: 8, KeyPublishes: 9, KeyBytes: 10,
		})
		for _, address := range []string{"192.0.2.7", "127.0.0.1"} {
			a := netip.MustParseAddr(address)
			for range 100 {
				l.Accept(a, false)
				l.Address(a).Request(1, 0)
				l.Failed(a)
			}
		}
		for range 100 {
			l.User("u1").Request(1, 0)
			l.User("u1").Publish(1)
			l.Key("key_1").Request(1, 0)
			l.Key("key_1").Publish(1)
		}
		time.Sleep(time.Minute)
		for range 2 {
			for range 11 {
				l.Address(netip.MustParseAddr("192.0.2.7")).Request(1, 1000)
				l.User("u1").Request(1, 1000)
				l.Key("key_1").Request(1, 1000)
			}
			time.Sleep(time.Second)
		}
		refused := map[string]uint64{}
		for _, c := range l.Stats() {
			refused[c.Scope+"_"+c.Limit] = c.Refused
		}
		want := map[string]uint64{
			"address_accepts": 98, "address_requests": 96, "address_failures": 96, "address_bytes": 10 + 11,
			"user_requests": 90, "user_publishes": 88, "user_bytes": 10 + 11,
			"key_requests": 84, "key_publishes": 82, "key_bytes": 10 + 11,
		}
		if diff := cmp.Diff(want, refused); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(line("address_accepts", "192.0.2.7", 1)+
			line("address_requests", "192.0.2.7", 1)+
			line("address_failures", "192.0.2.7", 1)+
			line("user_requests", "u1", 1)+
			line("user_publishes", "u1", 1)+
			line("key_requests", "key_1", 1)+
			line("key_publishes", "key_1", 1)+
			line("address_bytes", "192.0.2.7", 1)+
			line("user_bytes", "u1", 1)+
			line("key_bytes", "key_1", 1)+
			line("address_bytes", "192.0.2.7", 10)+
			line("user_bytes", "u1", 10)+
			line("key_bytes", "key_1", 10), log.String()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAPILimitsAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := limit.New(limit.Options{
			Address: limit.Bounds{Requests: 2, Bytes: 1000},
			Exempt:  []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		})
		h := limited(limits, proxies, 5000, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			fmt.Fprint(w, r.RemoteAddr, " ", len(body), " ", err)
		}))
		post := func(length int, known bool) *http.Request {
			r := httptest.NewRequest("POST", "/v2/channels/a/messages", strings.NewReader(strings.Repeat("x", length)))
			if !known {
				r.ContentLength = -1
			}
			return r
		}
		requests := []string{
			answer(h, get("/v2/stats"), "192.0.2.7"),
			answer(h, get("/v2/stats"), "192.0.2.7"),
			answer(h, get("/v2/stats"), "10.0.0.1", "192.0.2.7"),
			answer(h, get("/v2/stats"), "192.0.2.7"),
			answer(h, get("/v2/stats"), "192.0.2.7"),
			answer(h, get("/token/"), "192.0.2.7"),
			answer(h, get("/token/"), "10.0.0.1", "192.0.2.8"),
			answer(h, post(2000, true), "192.0.2.9"),
			answer(h, post(1, true), "192.0.2.9"),
			answer(h, post(5000, false), "192.0.2.10"),
			answer(h, post(1, true), "192.0.2.10"),
			answer(h, post(1, false), "192.0.2.10"),
			answer(h, post(5001, true), "192.0.2.11"), // the handler would not read it
			answer(h, post(1, true), "192.0.2.11"),
		}
		want := []string{
			"200 192.0.2.7:1234 0 <nil>",
			"200 192.0.2.7:1234 0 <nil>",
			"200 192.0.2.7:0 0 <nil>",
			"200 192.0.2.7:1234 0 <nil>",
			`429 after 1 {"error":{"code":"rate_limited","message":"This address sends more requests per second than allowed (address_requests).","retry":"later","docs":"docs/errors.md#rate_limited","retry_after_ms":500}}`,
			`429 after 1 {"errors": ["This address sends more requests per second than allowed (address_requests)."]}`,
			"200 192.0.2.8:0 0 <nil>",
			"200 192.0.2.9:1234 2000 <nil>",
			`429 after 1 {"error":{"code":"rate_limited","message":"This address sends more bytes per second than allowed (address_bytes).","retry":"later","docs":"docs/errors.md#rate_limited","retry_after_ms":1}}`,
			"200 192.0.2.10:1234 5000 <nil>",
			`429 after 4 {"error":{"code":"rate_limited","message":"This address sends more bytes per second than allowed (address_bytes).","retry":"later","docs":"docs/errors.md#rate_limited","retry_after_ms":3002}}`,
			`429 after 4 {"error":{"code":"rate_limited","message":"This address sends more bytes per second than allowed (address_bytes).","retry":"later","docs":"docs/errors.md#rate_limited","retry_after_ms":3002}}`,
			"200 192.0.2.11:1234 5001 <nil>",
			"200 192.0.2.11:1234 1 <nil>",
		}
		if diff := cmp.Diff(want, requests); diff != "" {
			t.Error(diff)
		}
		for range 100 {
			if got := answer(h, post(1000, true), "127.0.0.1"); got != "200 127.0.0.1:1234 1000 <nil>" {
				t.Fatal(got)
			}
		}
	})
}

// from is a connection from an address.
type from struct {
	net.Conn
	address netip.Addr
	closed  bool
}

func (f *from) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(f.address, 1234))
}

func (f *from) Close() error {
	f.closed = true
	return nil
}

// dialProxied connects as a proxy would, with the given header.
func dialProxied(t *testing.T, s *Server, header string) (*wstest.Conn, error) {
	t.Helper()
	c, err := wstest.Connect("ws://"+s.WSAddr().String()+"/", wstest.Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			_, err = io.WriteString(c, header)
		}
		return c, err
	}})
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

var limitedMetrics = regexp.MustCompile(`(?m)^(?:boreas_limited_total|boreas_ws_refused_total{reason="proxy_header").*`)

// TestProxyProtocol: behind a proxy with the PROXY protocol, all limits count the session for its
// client.
func TestProxyProtocol(t *testing.T) {
	s := start(t, testConfig(func(c *config.Config) {
		c.RequireAuth = false
		c.TrustedProxies, c.ProxyProtocol = "127.0.0.0/8, ::1", true
		c.AddressConnections = 2
		c.AddressAccepts = 2
		c.HeaderTimeout = time.Minute
	}), Options{})
	const v1, v2 = "PROXY TCP4 192.0.2.7 127.0.0.1 5555 8002\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x15\xb3\x1f\x42"
	var sessions []*wstest.Conn
	for _, header := range []string{v1, v2} {
		c, err := dialProxied(t, s, header)
		if err != nil {
			t.Fatal(err)
		}
		c.Send(`{"channels": {"join": ["news"], "leave": []}}`)
		sessions = append(sessions, c)
	}
	waitUntil(t, func() bool { return s.Hub().Subscribers("news") == 2 })
	list, _, err := s.Hub().ListSessions("", 10)
	if err != nil {
		t.Fatal(err)
	}
	addresses := []string{}
	for _, info := range list {
		addresses = append(addresses, info.Address)
	}
	if diff := cmp.Diff([]string{"192.0.2.7:5555", "192.0.2.7:5555"}, addresses); diff != "" {
		t.Error(diff)
	}
	if status, body := call(t, s, "POST", "/broadcast/news/", `{"payload": 1}`); status != 200 {
		t.Fatal(status, body)
	}
	for _, c := range sessions {
		if got, err := c.Next(); got != `{"message": 1, "channel": "news"}` {
			t.Errorf("got %s, %v", got, err)
		}
	}
	// Another client's connection does not count with them. The third session of the first client
	// is refused, and so is its fifth connection within a second.
	if _, err := dialProxied(t, s, "PROXY TCP4 192.0.2.8 127.0.0.1 5555 8002\r\n"); err != nil {
		t.Error(err)
	}
	if _, err := dialProxied(t, s, v1); wstest.Status(err) == 0 {
		t.Errorf("a third session: %v", err)
	}
	refused := 0
	for range 10 {
		_, err := dialProxied(t, s, v2)
		if wstest.Status(err) == http.StatusTooManyRequests && strings.Contains(err.Error(), "address_accepts") { // and not for the third session
			refused++
		}
	}
	if refused == 0 {
		t.Error("connections of a client are not counted")
	}
	// A proxy that sends no header is disconnected.
	if _, err := dialProxied(t, s, ""); err == nil || wstest.Status(err) != 0 {
		t.Errorf("without a header: %v", err)
	}
	_, body := call(t, s, "GET", "/metrics", "")
	got := limitedMetrics.FindAllString(body, -1)
	want := []string{
		`boreas_limited_total{limit="accepts",scope="address"} ` + fmt.Sprint(refused),
		`boreas_limited_total{limit="bytes",scope="address"} 0`,
		`boreas_limited_total{limit="bytes",scope="key"} 0`,
		`boreas_limited_total{limit="bytes",scope="user"} 0`,
		`boreas_limited_total{limit="failures",scope="address"} 0`,
		`boreas_limited_total{limit="handshakes",scope="address"} 0`,
		`boreas_limited_total{limit="publishes",scope="key"} 0`,
		`boreas_limited_total{limit="publishes",scope="user"} 0`,
		`boreas_limited_total{limit="requests",scope="address"} 0`,
		`boreas_limited_total{limit="requests",scope="key"} 0`,
		`boreas_limited_total{limit="requests",scope="user"} 0`,
		`boreas_ws_refused_total{reason="proxy_header"} 1`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
