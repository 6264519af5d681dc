package attack

import (
	"fmt"
	"net"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// onStreams are attacks with server-sent events.
var onStreams = []attack{
	// An ID as large as the header's limit allows (clause 10.5).
	{"a huge Last-Event-ID", func(a *attacker) string {
		token := a.tokenOf("ann")
		return request(toSockets,
			get("/v2/events?channel=a", bearer(token), "Last-Event-ID: "+strings.Repeat("a", 15_000)),
			get("/v2/events?channel=a", bearer(token), "Last-Event-ID: "+strings.Repeat("-", 30_000)))(a)
	}, "400 bad_position, 431"},
	// More channels than a stream may have, and as many as fit into a path.
	{"channels by the thousand", func(a *attacker) string {
		token := a.tokenOf("ann")
		many := "/v2/events?channel=a"
		for i := range 1000 {
			many += fmt.Sprintf("&channel=%d", i)
		}
		return request(toSockets, get(many, bearer(token)), get("/v2/events?"+strings.Repeat("channel=a&", 1500)[:14_999], bearer(token)))(a)
	}, "200 stream, 400 too_many_channels"},
	// Parameters that could confuse a parser.
	{"invalid parameters", func(a *attacker) string {
		token := a.tokenOf("ann")
		var texts []string
		for _, q := range []string{"", "channel", "channel=%zz", "channel=a;b=c", "channel=%00", "channel=a&last=-1", "channel=a&last=1e9", "channel=a&presence=1", "channel=a&since=x", "channel=a&since.b=x", "channel=" + strings.Repeat("a", 256)} {
			texts = append(texts, get("/v2/events?"+q, bearer(token)))
		}
		return request(toSockets, texts...)(a)
	}, "3 x 400 channel_name, 8 x 400 malformed"},
	// Streams that the client never reads, on a busy channel: the server must not keep a separate
	// copy of the waiting messages for each stream (CWE-770).
	{"streams that are not read", func(a *attacker) string {
		token := a.tokenOf("ann")
		for i := range 30 {
			a.narrow(i).say(get("/v2/events?channel=open.flood", bearer(token)))
		}
		a.joined("open.flood", 30)
		a.flood("open.flood", 64)
		return "30 are served while 4 MiB come"
	}, "30 are served while 4 MiB come"},
	// The same with sockets on either wire.
	{"sockets that are not read", func(a *attacker) string {
		token := a.tokenOf("ann")
		for i := range 30 {
			l := a.narrow(i)
			if i%2 == 0 {
				l.say(handshake("/") + wstest.Text(`{"access_token":"`+token+`"}`) + wstest.Text(`{"channels":{"join":["open.flood"],"leave":[]}}`))
			} else {
				l.say(handshake(withToken("/v2", token)) + wstest.Text(joinOf("open.flood", "")))
			}
		}
		a.joined("open.flood", 30)
		a.flood("open.flood", 64)
		return "30 are served while 4 MiB come"
	}, "30 are served while 4 MiB come"},
	// A client that closes its half of the connection counts as gone in HTTP (RFC 9112, 9.6).
	{"half-closed streams", func(a *attacker) string {
		token := a.tokenOf("ann")
		got := make(tally)
		for i := range 30 {
			l := a.dial(i, a.WS).say(get("/v2/events?channel=a", bearer(token)))
			got.add(l.answer())
			l.Conn.Conn.(*net.TCPConn).CloseWrite()
			got.add(l.rest())
		}
		return got.String()
	}, "30 x 200 stream, 30 x cut"},
	// A client that keeps sending on a stream.
	{"chattering streams", func(a *attacker) string {
		token := a.tokenOf("ann")
		l := a.dial(0, a.WS).say(get("/v2/events?channel=a", bearer(token)))
		said := l.answer()
		for range 100 {
			l.say(strings.Repeat(get("/v2/events?channel=b", bearer(token)), 200))
		}
		return said + ", then " + l.rest()
	}, "200 stream, then cut"},
	// Streams that open and close (CWE-400).
	{"a storm of streams", func(a *attacker) string {
		token := a.NewToken(object{}).Token // without a user, so that no user limit applies
		got := make(tally)
		for i := range 500 {
			l := a.dial(i, a.WS).say(get("/v2/events?channel=open.a&presence=true&last=10", bearer(token)))
			got.add(l.answer())
			l.reset()
		}
		return got.String()
	}, "500 x 200 stream"},
	// Methods that a stream does not support, and a GET with a body.
	{"other methods on a stream", func(a *attacker) string {
		token := a.tokenOf("ann")
		return request(toSockets,
			ask("POST", "/v2/events?channel=a", "{}", bearer(token)), ask("HEAD", "/v2/events?channel=a", "", bearer(token)),
			ask("PATCH", "/v2/events?channel=a", "", bearer(token)), ask("GET", "/v2/events?channel=a", strings.Repeat("x", 4000), bearer(token)))(a)
	}, "200 stream, 2 x 405 method_not_allowed, 405 without the body"},
	// A token without rules, and a credential in the wrong cookie or scheme.
	{"streams without permission", func(a *attacker) string {
		nothing := a.NewToken(object{"user": "ann", "rules": []object{}}).Token
		return request(toSockets, get("/v2/events?channel=a", bearer(nothing)), get("/v2/events?channel=a"),
			get("/v2/events?channel=a", "Cookie: other="+nothing), get("/v2/events?channel=a", "Authorization: Basic "+nothing))(a)
	}, "3 x 401 unauthenticated, 403 not_permitted"},
}

// narrow connects to the subscribers' port with a small read buffer.
func (a *attacker) narrow(from int) *line {
	l := a.dial(from, a.WS)
	l.Conn.Conn.(*net.TCPConn).SetReadBuffer(4096)
	return l
}

// joined waits until this many subscribers are on a channel.
func (a *attacker) joined(channel string, subscribers int) {
	for a.Server.Hub().Subscribers(channel) < subscribers && a.crowd.noticed() == "" {
		a.crowd.await(1)
	}
}

// flood publishes this many messages of 64 KiB as the operator.
func (a *attacker) flood(channel string, messages int) {
	for range messages {
		a.Must("POST", "/v2/channels/"+channel+"/messages", `"`+strings.Repeat("x", 64<<10)+`"`, nil)
	}
}
