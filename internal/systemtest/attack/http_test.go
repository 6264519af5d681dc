package attack

import (
	"fmt"
	"strings"
)

// overHTTP are attacks on the parsing of HTTP itself, on both ports.
var overHTTP = []attack{
	// A client keeps a connection open for ever with a byte of a header now and then (slowloris,
	// CVE-2007-6750).
	{"slow header", slowHeader, "50 x cut"},
	// Idle connections use up the descriptors (CWE-770). The server closes them after
	// header_timeout, or at once if the address has too many.
	{"idle connections", silence, "400 x cut"},
	// A body that never arrives holds a worker (R-U-Dead-Yet, CWE-400).
	{"slow body", slowBody, "100 x 201"},
	// So many header lines that a table of them becomes slow or large (RFC 9112, 5.4).
	{"ten thousand headers", func(a *attacker) string {
		return both(a, get("/healthz")[:len(get("/healthz"))-2]+strings.Repeat("X-A: b\r\n", 10_000)+"\r\n")
	}, "API: 431; subscribers: 431"},
	// A header larger than a server should keep (RFC 6585, 5).
	{"a header of a MiB", func(a *attacker) string {
		return both(a, get("/healthz", "X-A: "+strings.Repeat("a", 1<<20)))
	}, "API: 431; subscribers: 431"},
	// The same with the path (RFC 9110, 15.5.15).
	{"a path of 64 KiB", func(a *attacker) string { return both(a, get("/"+strings.Repeat("a", 64<<10))) }, "API: 431; subscribers: 431"},
	// Garbage after a valid request: the server must answer the valid request, and must not treat
	// the rest as one (RFC 9112, 9.3.2).
	{"garbage after a request", pipelined(toAPI, get("/healthz")+"\x16\x03\x01garbage\r\n\r\n", 3), "200, 400, cut"},
	// Content-Length and Transfer-Encoding disagree on the end of a request, so that a proxy may
	// see one request and the server two (request smuggling, RFC 9112, 6.1 and 11.2). The server
	// uses the chunks, as it should. It should also close the connection, but Go's library drops
	// the length before a handler can see it, and answers the second request.
	{"smuggling: CL and TE", pipelined(toAPI, ask("POST", "/v2/messages", "0\r\n\r\n"+get("/healthz"), "Transfer-Encoding: chunked"), 2), "401 invalid_key, 200"},
	// Two lengths that are not the same (RFC 9112, 6.3).
	{"smuggling: two lengths", request(toAPI, ask("POST", "/v2/messages", "[]", "Content-Length: 7")), "400"},
	// A transfer coding that some parsers take for chunked (RFC 9112, 6.1).
	{"smuggling: a disguised TE", request(toAPI,
		ask("POST", "/v2/messages", "", "Transfer-Encoding: xchunked"),
		ask("POST", "/v2/messages", "", "Transfer-Encoding: chunked, identity"),
		ask("POST", "/v2/messages", "", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
		ask("POST", "/v2/messages", "", "Transfer-Encoding : chunked"),
		ask("POST", "/v2/messages", "", "Transfer-Encoding: \x0bchunked")), "2 x 400, 3 x 501"},
	// Lengths that overflow, have signs, or are not decimal (CVE-2021-33193's kin).
	{"smuggling: strange lengths", request(toAPI,
		lines("POST /v2/messages HTTP/1.1", "Host: localhost", "Content-Length: +2")+"[]",
		lines("POST /v2/messages HTTP/1.1", "Host: localhost", "Content-Length: -1"),
		lines("POST /v2/messages HTTP/1.1", "Host: localhost", "Content-Length: 0x2")+"[]",
		lines("POST /v2/messages HTTP/1.1", "Host: localhost", "Content-Length: 18446744073709551618")+"[]"), "4 x 400"},
	// Chunks with a size that overflows, with a line that never ends (CVE-2023-39326), and with a
	// bare LF (CVE-2025-22871).
	{"chunks that lie", func(a *attacker) string {
		key := a.NewKey(object{"name": fmt.Sprint("chunks", a.number), "verbs": []string{"publish"}}).Key
		chunked := func(body string) string {
			return lines("POST /v2/messages HTTP/1.1", "Host: localhost", bearer(key), "Transfer-Encoding: chunked") + body
		}
		return request(toAPI,
			chunked("FFFFFFFFFFFFFFFFF\r\n[]"), chunked("-2\r\n[]\r\n0\r\n\r\n"),
			chunked("2;"+strings.Repeat("x", 100_000)+"\r\n[]\r\n0\r\n\r\n"), chunked("2\n[]\r\n0\r\n\r\n"))(a)
	}, "4 x 400 malformed"},
	// CR, LF or NUL within a header's value, where some parsers split it (RFC 9110, 5.5).
	{"CR and NUL in a header", func(a *attacker) string {
		return both(a, get("/healthz", "X-A: b\rX-C: d"), get("/healthz", "X-A: b\x00"), get("/healthz", "X\x00: b"))
	}, "API: 3 x 400; subscribers: 3 x 400"},
	// A folded line, and a name followed by a blank (RFC 9112, 5.1 and 5.2).
	{"folded lines and blanks", func(a *attacker) string {
		return both(a, get("/healthz", " X-A: b"), get("/healthz", "X-A : b"), get("/healthz", "X-A"))
	}, "API: 3 x 400; subscribers: 3 x 400"},
	// A raw NUL or control character in the path.
	{"NUL in the path", func(a *attacker) string {
		return both(a, get("/healthz\x00"), get("/v2/keys\x00.html"), get("/\x7f"))
	}, "API: 3 x 400; subscribers: 3 x 400"},
	// A request of HTTP/0.9, to which some servers respond without a header.
	{"HTTP/0.9", func(a *attacker) string { return both(a, "GET /\r\n", "GET / HTTP/0.9\r\n\r\n") }, "API: 400, 505; subscribers: 400, 505"},
	// The preface of HTTP/2 on a port that does not support it without TLS (RFC 9113, 3.4).
	{"HTTP/2 with prior knowledge", func(a *attacker) string {
		return both(a, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	}, "API: 404; subscribers: 400"},
	// h2c smuggling: an upgrade that bypasses a proxy's rules (CVE-2021-21299's kin).
	{"an upgrade to h2c", func(a *attacker) string {
		return both(a, get("/healthz", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", "Connection: Upgrade, HTTP2-Settings"))
	}, "API: 200; subscribers: 200"},
	// TLS on a port without TLS.
	{"a TLS hello on the plain port", func(a *attacker) string {
		return both(a, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+strings.Repeat("\x00", 512)+"\r\n\r\n")
	}, "API: 400; subscribers: 400"},
	// Methods that reveal headers, or use the server as a proxy (RFC 9110, 9.3.6 and 9.3.8).
	{"TRACE and CONNECT", func(a *attacker) string {
		return both(a, ask("TRACE", "/", ""), lines("CONNECT 127.0.0.1:22 HTTP/1.1", "Host: 127.0.0.1:22"), ask("OPTIONS", "*", ""))
	}, "API: 200, 2 x 404; subscribers: 200, 2 x 405"},
	// A target with a scheme asks the server to fetch from another host (RFC 9112, 3.2.2).
	{"a target on another host", func(a *attacker) string {
		return both(a, get("http://169.254.169.254/latest/meta-data"), get("http://127.0.0.1:22/"), get("//evil.example/v2/keys"))
	}, "API: 3 x 404; subscribers: 2 x 404, 426"},
	// Paths that bypass a proxy's path rules. None may reach a route (CWE-22, CWE-436).
	{"dots and slashes in the path", func(a *attacker) string {
		return request(toAPI,
			get("/healthz/../v2/keys"), get("/healthz/%2e%2e/v2/keys"), get("/healthz%2f..%2fv2%2fkeys"), get("/./v2/keys"),
			get("//v2/keys"), get("/v2//keys"), get("/v2/keys/"), get("/v2/keys;a=b"), get("/V2/keys"), get("/v2/%6beys"),
			get("/%76%32/keys"), get("/v2\\keys"), get("/v2/channels/../keys"), get("/v2/channels/%2e%2e/keys"))(a)
	}, "8 x 404, 5 x 404 not_found, 405 method_not_allowed"},
	// A name that is escaped twice or wrongly, or that is overlong UTF-8 (CWE-174, CVE-2000-0884).
	{"escapes of escapes", func(a *attacker) string {
		return request(toAPI, get("/v2/channels/%252e%252e"), get("/v2/channels/%zz"), get("/v2/channels/%"), get("/v2/channels/%c0%ae"))(a)
	}, "2 x 400, 2 x 401 invalid_key"},
	// A request for ten thousand ranges of a file (CVE-2011-3192).
	{"ranges by the thousand", request(toSockets, get("/boreas.js", "Range: bytes="+strings.TrimSuffix(strings.Repeat("0-,", 4000), ","))), "200"},
	// Conditional headers with long lists of tags.
	{"a long If-None-Match", request(toSockets, get("/boreas.js", "If-None-Match: "+strings.Repeat(`W/"a", `, 1500)+`"b"`)), "200"},
	// Responses that the client does not read stay in memory (slow read, CVE-2011-1473's kin).
	{"responses that are not read", unread, "40 hold a connection each"},
	// Connections that are reset right after they open, in the middle of a request, and after a
	// request.
	{"resets", func(a *attacker) string {
		for i := range 300 {
			for _, to := range []string{a.API, a.WS} {
				l := a.dial(i, to)
				switch i % 3 {
				case 1:
					l.say("GET / HT")
				case 2:
					l.say(get("/healthz"))
				}
				l.reset()
			}
		}
		return "600 are over"
	}, "600 are over"},
}

// both sends each text to each port, every time on a new connection.
func both(a *attacker, texts ...string) string {
	return "API: " + request(toAPI, texts...)(a) + "; subscribers: " + request(toSockets, texts...)(a)
}

func slowHeader(a *attacker) string {
	var all []*line
	for i := range 50 {
		to := a.API
		if i%2 == 0 {
			to = a.WS
		}
		all = append(all, a.dial(i%5, to).say("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-"))
	}
	got := make(tally)
	for _, l := range all {
		ended := make(chan string, 1)
		go func() { ended <- l.rest() }()
		for said := ""; said == ""; {
			select {
			case said = <-ended:
				got.add(said)
			default:
				for _, l := range all {
					l.say("a") // until the server closes the connection
				}
				a.crowd.await(1)
			}
		}
	}
	return got.String()
}

func silence(a *attacker) string {
	var all []*line
	for i := range 400 {
		to := a.API
		if i%2 == 0 {
			to = a.WS
		}
		all = append(all, a.dial(i%2, to))
	}
	got := make(tally)
	for _, l := range all {
		got.add(l.rest())
	}
	return got.String()
}

func slowBody(a *attacker) string {
	key := a.NewKey(object{"name": fmt.Sprint("slow", a.number), "verbs": []string{"publish"}}).Key
	var all []*line
	for i := range 100 {
		all = append(all, a.dial(i, a.API).say(lines("POST /v2/channels/slow/messages HTTP/1.1", "Host: localhost", bearer(key), "Content-Length: 1000")))
	}
	for range 20 { // one byte at a time
		for _, l := range all {
			l.say("1")
		}
		a.crowd.await(1)
	}
	var c struct{ Subscribers int }
	a.Must("GET", "/v2/channels/slow", nil, &c) // meanwhile, the server must answer the operator
	got := make(tally)
	for _, l := range all {
		l.say(strings.Repeat("1", 980))
		got.add(l.answer())
	}
	return got.String()
}

func unread(a *attacker) string {
	for i := range 40 {
		to, path := a.API, "/openapi.json"
		if i%2 == 0 {
			to, path = a.WS, "/boreas.js"
		}
		l := a.dial(i, to)
		go l.say(strings.Repeat(get(path), 100)) // returns when the connection ends
	}
	a.crowd.await(50)
	return "40 hold a connection each"
}
