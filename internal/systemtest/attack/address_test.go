package attack

import (
	"fmt"
	"net/url"
	"strings"
)

// byAddress are attacks with a client's address or with the origin of its page.
var byAddress = []attack{
	// The client itself writes the header of a proxy, so as to look like another client each time
	// (CWE-348, CWE-307).
	{"X-Forwarded-For from the client", func(a *attacker) string {
		var got turns
		for i := range 25 {
			got.add(a.dial(0, a.WS).say(get("/v2/events?channel=a", bearer("bt_guess"), fmt.Sprintf("X-Forwarded-For: 10.0.0.%d", i), "X-Real-IP: 10.0.0.1", "Forwarded: for=10.0.0.1")).answer())
		}
		return got.String()
	}, "20 x 401 invalid_token, then 5 x 429 rate_limited"},
	// The same through a proxy that appends the address that it sees: only this address counts.
	{"X-Forwarded-For through the proxy", func(a *attacker) string {
		var got turns
		for i := range 25 {
			header := proxied(a.address(0))
			got.add(a.dialAs(proxyAddress, a.WS).say(header + get("/v2/events?channel=a", bearer("bt_guess"), fmt.Sprintf("X-Forwarded-For: 10.0.0.%d", i))).answer())
		}
		return got.String()
	}, "20 x 401 invalid_token, then 5 x 429 rate_limited"},
	// A header of the PROXY protocol from a client that is not a trusted proxy (PROXY protocol,
	// section 4).
	{"PROXY from a stranger", request(toSockets,
		"PROXY TCP4 10.0.0.1 127.0.0.1 1 2\r\n"+get("/v2/events?channel=a"),
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x0a\x00\x00\x01\x7f\x00\x00\x01\x00\x01\x00\x02"+get("/v2/events?channel=a")), "2 x 400"},
	// A bad header of the PROXY protocol, from a proxy that was taken over.
	{"a bad PROXY header from the proxy", func(a *attacker) string {
		got := make(tally)
		for _, text := range []string{
			get("/"), "PROXY TCP4 10.0.0.1\r\n", "PROXY " + strings.Repeat("A", 4096),
			"\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff" + strings.Repeat("\x00", 1000), "\r\n\r\n\x00\r\nQUIT\n\x99\x99\x00\x00",
		} {
			l := a.dialAs(proxyAddress, a.WS).say(text)
			l.rest()
			got.add("cut")
		}
		return got.String()
	}, "5 x cut"},
	// A page of another origin opens a WebSocket: the browser sends its visitor's cookie
	// (cross-site WebSocket hijacking, CVE-2022-24760's class, RFC 6455, 10.2).
	{"a WebSocket from another site, with the cookie", func(a *attacker) string {
		token := a.tokenOf("victim")
		got := make(tally)
		for _, path := range []string{"/", "/v2"} {
			_, said := a.socket(0, path, "Origin: https://evil.example", "Cookie: session="+token)
			got.add(said)
		}
		_, said := a.socket(0, "/v2", "Origin: "+goodOrigin, "Cookie: session="+token)
		return got.String() + "; the site itself: " + said
	}, "403, 403 origin_not_allowed; the site itself: 101"},
	// The same with server-sent events, which the page must not be able to read.
	{"events from another site, with the cookie", func(a *attacker) string {
		token := a.tokenOf("victim")
		said, response := a.dial(0, a.WS).say(get("/v2/events?channel=a", "Origin: https://evil.example", "Cookie: session="+token)).answered()
		return fmt.Sprintf("%s, may read with cookies: %q", said, response.Header.Get("Access-Control-Allow-Credentials"))
	}, "403 origin_not_allowed, may read with cookies: \"\""},
	// Origins that look like the good one (CWE-346).
	{"origins that look right", func(a *attacker) string {
		got := make(tally)
		for _, origin := range []string{
			"null", "https://app.example.evil.example", "https://evil.example/https://app.example", "https://app.example:444",
			"http://app.example", "https://app.example@evil.example", "https://app.example.", "https://xapp.example", "file://", "*",
			"https://app.example, https://evil.example",
		} {
			_, said := a.socket(0, "/v2", "Origin: "+origin)
			got.add(said)
		}
		_, said := a.socket(0, "/v2", "Origin: HTTPS://App.Example")
		return got.String() + "; in capitals: " + said
	}, "11 x 403 origin_not_allowed; in capitals: 101"},
	// Two origins: a proxy may have checked the other one.
	{"two origins", func(a *attacker) string {
		_, one := a.socket(0, "/v2", "Origin: "+goodOrigin, "Origin: https://evil.example")
		_, other := a.socket(0, "/v2", "Origin: https://evil.example", "Origin: "+goodOrigin)
		return one + ", " + other
	}, "403 origin_not_allowed, 403 origin_not_allowed"},
	// Two tokens in one request: implementations differ in the one that they use (CWE-436).
	{"two headers Authorization", func(a *attacker) string {
		token := a.tokenOf("ann")
		api := request(toAPI, get("/v2/keys", bearer("bk_guess"), bearer(a.Admin)), get("/v2/keys", bearer(a.Admin), bearer("x")))(a)
		return api + "; events: " + request(toSockets, get("/v2/events?channel=a", bearer(token), bearer("x")))(a)
	}, "2 x 401 invalid_key; events: 401 unauthenticated"},
	// Header injection through a name with CR LF that the response repeats (CWE-113).
	{"CR LF in repeated names", func(a *attacker) string {
		inject := "a%0d%0aSet-Cookie:%20session=evil%0d%0a%0d%0a<script>"
		got := make(tally)
		for _, text := range []string{
			get("/v2/channels/"+inject+"/messages", bearer(a.Admin)), get("/" + inject), get("/v2/keys/"+inject, bearer(a.Admin)),
			get("/v2/sessions?user="+inject, bearer(a.Admin)), ask("POST", "/broadcast/"+inject+"/", "1", bearer(a.Admin)),
		} {
			said, response := a.dial(0, a.API).say(text).answered()
			got.add(said + injected(response.Header.Get("Set-Cookie")))
		}
		for _, text := range []string{get("/v2/events?channel=" + inject), get("/v2/events?channel=a&last_event_id=" + inject), get("/" + inject)} {
			said, response := a.dial(0, a.WS).say(text).answered()
			got.add(said + injected(response.Header.Get("Set-Cookie")))
		}
		return got.String()
	}, "200, 400, 400 bad_position, 400 channel_name, 401 unauthenticated, 2 x 404, 405 method_not_allowed"},
	// A flood of handshakes from one address: only that address is limited.
	{"a flood of handshakes from one address", func(a *attacker) string {
		got := make(tally)
		for range 1500 {
			l, said := a.socket(0, "/v2")
			got.add(said)
			l.reset()
		}
		return got.kinds() + "; from elsewhere: " + second(a.socket(1, "/v2"))
	}, "101, 429 rate_limited; from elsewhere: 101"},
	// The same from many addresses, each below its limit.
	{"a flood of handshakes from many addresses", func(a *attacker) string {
		got := make(tally)
		for i := range 1000 {
			l, said := a.socket(i, "/v2")
			got.add(said)
			l.reset()
		}
		return got.String()
	}, "1000 x 101"},
	// Requests that cost the API work, without a key.
	{"a flood of requests", func(a *attacker) string {
		got := make(tally)
		for range 10 {
			l := a.dial(0, a.API)
			go l.say(strings.Repeat(get("/v2/stats"), 400))
			for range 400 {
				got.add(l.answer())
			}
		}
		return got.kinds() + "; from elsewhere: " + a.dial(1, a.API).say(get("/healthz")).answer()
	}, "401 invalid_key, 429 rate_limited; from elsewhere: 200"},
	// Guesses count together even if they use different transports (CWE-307).
	{"guesses on all transports in turn", func(a *attacker) string {
		var got turns
		for i := range 24 {
			guess := fmt.Sprintf("bt_%043d", i)
			said := ""
			switch i % 4 {
			case 0:
				said = a.dial(0, a.WS).say(get("/v2/events?channel=a&access_token=" + url.QueryEscape(guess))).answer()
			case 1:
				_, said = a.socket(0, withToken("/v2", guess))
			case 2:
				said = a.dial(0, a.API).say(get("/v2/channels/a/messages", bearer(guess))).answer()
			case 3:
				_, said = a.socket(0, withToken("/v2", guess))
			}
			got.add(said)
		}
		return got.String()
	}, "20 x 401 invalid_token, then 4 x 429 rate_limited"},
}

func second[A, B any](_ A, b B) B { return b }

func injected(cookie string) string {
	if cookie != "" {
		return " with a header of the attacker's"
	}
	return ""
}

// proxied returns the header in which a proxy reports its client (PROXY protocol, version 1).
func proxied(address string) string {
	return fmt.Sprintf("PROXY TCP4 %s 127.0.0.1 40000 8002\r\n", address)
}

// onFirstDay are attacks on a server whose API needs no key yet.
var onFirstDay = []attack{
	// A page points its own name to 127.0.0.1 after it was loaded. To the browser, the API then has
	// the same origin (DNS rebinding, CVE-2018-5702's class).
	{"DNS rebinding", request(toAPI,
		hosted("GET", "/v2/tokens", "evil.example"), hosted("POST", "/token/", "evil.example:8001"), hosted("GET", "/debug/token-dump", "evil.example"),
		hosted("POST", "/broadcast/news/", "evil.example")), "3 x 421, 421 host_not_allowed"},
	// Names that begin or end like this machine's.
	{"hosts that look local", request(toAPI,
		hosted("POST", "/token/", "localhost.evil.example"), hosted("POST", "/token/", "127.0.0.1.evil.example"), hosted("POST", "/token/", "evil.example#localhost"),
		hosted("POST", "/token/", "localhost@evil.example"), hosted("POST", "/token/", "0.0.0.0"), hosted("POST", "/token/", "2130706433"),
		hosted("POST", "/token/", "0177.0.0.1"), hosted("POST", "/token/", "[::ffff:7f00:1]:80"), hosted("POST", "/token/", "[::1].evil.example"), hosted("POST", "/token/", "")), "200, 2 x 400, 7 x 421"},
	// Two hosts, no host, and a target with another host (RFC 9112, 3.2).
	{"two hosts", request(toAPI,
		lines("POST /token/ HTTP/1.1", "Host: localhost", "Host: evil.example", "Content-Length: 0"),
		lines("POST /token/ HTTP/1.1", "Content-Length: 0"),
		lines("POST http://evil.example/token/ HTTP/1.1", "Host: localhost", "Content-Length: 0")), "2 x 400, 421"},
	// A form on another page posts to the API on its visitor's machine (CSRF, CWE-352).
	{"a form on another site", request(toAPI,
		ask("POST", "/token/", "", "Origin: https://evil.example", "Content-Type: application/x-www-form-urlencoded"),
		ask("POST", "/v2/tokens", "{}", "Origin: https://evil.example", "Content-Type: text/plain"),
		ask("POST", "/v2/channels/news/messages", "1", "Sec-Fetch-Site: cross-site", "Content-Type: text/plain"),
		ask("POST", "/v2/keys", "{}", "Origin: null", "Content-Type: text/plain"),
		ask("POST", "/v2/revocations", "{}", "Sec-Fetch-Site: same-site", "Content-Type: text/plain"),
		ask("POST", "/broadcast/news/", "1", "Origin: https://evil.example", "Content-Type: text/plain")), "400, 403, 4 x 403 origin_not_allowed"},
	// A page sends a preflight request (Fetch, CORS): the response must not allow anything.
	{"a preflight", func(a *attacker) string {
		said, response := a.dial(0, a.API).say(ask("OPTIONS", "/v2/keys", "", "Origin: https://evil.example", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization")).answered()
		return fmt.Sprintf("%s, allows %q", said, response.Header.Get("Access-Control-Allow-Origin"))
	}, "405 method_not_allowed, allows \"\""},
	// Passwords for a proxy in front are not the server's, and change nothing.
	{"Basic authentication", request(toAPI,
		lines("GET /v2/keys HTTP/1.1", "Host: localhost", "Authorization: Basic YWRtaW46YWRtaW4="),
		lines("GET /v2/keys HTTP/1.1", "Host: evil.example", "Authorization: Basic YWRtaW46YWRtaW4=")), "200, 421 host_not_allowed"},
}

// hosted returns a request with that Host header.
func hosted(method, target, host string) string {
	return lines(method+" "+target+" HTTP/1.1", "Host: "+host, "Content-Length: 0")
}
