package attack

import (
	"fmt"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// onHandshake are attacks with the handshake of WebSocket (RFC 6455, section 4).
var onHandshake = []attack{
	// Keys that are not 16 bytes in base64, missing, or there twice (RFC 6455, 4.2.1).
	{"bad keys", func(a *attacker) string {
		var texts []string
		for _, key := range []string{"", "c2hvcnQ=", strings.Repeat("A", 44), "not base64 at all!!!!!!==", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="} {
			texts = append(texts, strings.Replace(handshake("/v2"), "dGhlIHNhbXBsZSBub25jZQ==", key, 1))
		}
		return request(toSockets, texts...)(a)
	}, "6 x 400 malformed"},
	// Upgrade and Connection headers left out, repeated, and with other values in between.
	{"strange upgrades", func(a *attacker) string {
		h := handshake("/v2")
		return request(toSockets,
			strings.Replace(h, "Upgrade: websocket", "Upgrade: h2c", 1), strings.Replace(h, "Connection: Upgrade", "Connection: keep-alive", 1),
			strings.Replace(h, "Upgrade: websocket", "Upgrade: websockets", 1), strings.Replace(h, "Upgrade: websocket", "Upgrade: xwebsocket, h2c", 1))(a) +
			"; good ones: " + request(toSockets,
			strings.Replace(h, "Upgrade: websocket", "Upgrade: h2c, WebSocket", 1),
			strings.Replace(h, "Connection: Upgrade", "Connection: keep-alive\r\nConnection: UPGRADE", 1))(a)
	}, "400 malformed, 3 x 426 upgrade_required; good ones: 2 x 101"},
	// Unsupported versions (RFC 6455, 4.4), other methods, HTTP/1.0.
	{"other versions", func(a *attacker) string {
		h := handshake("/v2")
		return request(toSockets,
			strings.Replace(h, "Version: 13", "Version: 8", 1), strings.Replace(h, "Version: 13", "Version: 13, 8", 1), strings.Replace(h, "Version: 13", "Version: 0xd", 1),
			strings.Replace(h, "GET", "POST", 1), strings.Replace(h, "HTTP/1.1", "HTTP/1.0", 1))(a)
	}, "2 x 400 malformed, 405 method_not_allowed, 2 x 426 upgrade_required"},
	// A subprotocol that would end the answer's header (CWE-113): the server refuses a name that is not a token (RFC 6455, 4.2.1).
	{"CR LF in a subprotocol", func(a *attacker) string {
		got := make(tally)
		for _, p := range []string{"a%0d%0aSet-Cookie: evil=1", "a\tb", "a\"b", "a(b)", "\xc3\xa4", "a\x0bb"} {
			said, response := a.dial(0, a.WS).say(handshake("/v2", "Sec-WebSocket-Protocol: "+p)).answered()
			if response == nil {
				got.add(said)
				continue
			}
			got.add(fmt.Sprintf("%s with %q%s", said, response.Header.Get("Sec-WebSocket-Protocol"), injected(response.Header.Get("Set-Cookie"))))
		}
		return got.String()
	}, "5 x 400 malformed with \"\", 400 with \"\""},
	// The server agrees to compression, with a small window for what clients send (RFC 7692). For attacks with it see deflate_test.go.
	{"an offer of deflate", func(a *attacker) string {
		_, response := a.dial(0, a.WS).say(handshake("/v2", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; server_max_window_bits=8")).answered()
		return fmt.Sprintf("%d with %q", response.StatusCode, response.Header.Get("Sec-WebSocket-Extensions"))
	}, `101 with "permessage-deflate; server_max_window_bits=8; client_max_window_bits=10"`},
	// A compression bomb without the extension: 64 KiB of deflate with RSV1 set (CVE-2020-27813's
	// kin).
	{"a compression bomb", frames((*line).end, wstest.Frame(wstest.Fin|wstest.RSV1|wstest.OpText, strings.Repeat("\xec\xc1\x01\x01\x00\x00\x00\x80\x90\xfe\xaf\xee\x08\x0a", 1000))), "closed with 1002, closed with 1002 protocol_error"},
	// Frames in the same segment as the handshake, which net/http has then buffered.
	{"early data", func(a *attacker) string {
		l := a.dial(0, a.WS).say(handshake(withToken("/v2", a.tokenOf("ann"))) + wstest.Text(joinOf("open.early", "")) + wstest.Text(`{"id":2,"ping":{}}`))
		return l.answer() + ", " + l.reply("j") + ", " + l.reply(2)
	}, "101, ok, ok"},
	// The same with more bytes than any buffer holds.
	{"a MiB of early data", func(a *attacker) string {
		l := a.dial(0, a.WS)
		go l.say(handshake("/v2") + strings.Repeat(wstest.Frame(wstest.Fin|wstest.OpPong, "x"), 150_000) + wstest.Text(`{"id":2,"ping":{}}`))
		return l.answer() + ", " + l.reply(2)
	}, "101, ok"},
	// Frames in a body: a proxy that forwards the request sends them as a part of it
	// (CWE-444).
	{"frames in a body", func(a *attacker) string {
		body := wstest.Text(joinOf("open.body", ""))
		h := strings.TrimSuffix(handshake("/v2"), "\r\n")
		return request(toSockets,
			h+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))+body, h+fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body),
			h+"Expect: 100-continue\r\n\r\n"+body)(a)
	}, "3 x 400 malformed"},
	// Sockets that are reset in the middle of the handshake, and right after it.
	{"resets around the handshake", func(a *attacker) string {
		h := handshake("/v2")
		for i := range 300 {
			l := a.dial(i, a.WS)
			l.say(h[:len(h)*(i%3+1)/3])
			if i%6 == 5 {
				l.answer()
			}
			l.reset()
		}
		return "300 are over"
	}, "300 are over"},
	// The handshake of one wire on the path of another, and on unknown paths.
	{"WebSockets on other paths", request(toSockets, handshake("/v2/"), handshake("/v2/keys"), handshake("/v2/events"), handshake("/boreas.js"), handshake("/token/"), handshake("/%2e%2e/v2"), handshake("/v2%2f")), "200, 400 malformed, 2 x 404, 3 x 404 not_found"},
	// A handshake on the API's port.
	{"a handshake on the API", request(toAPI, handshake("/"), handshake("/v2")), "404, 404 not_found"},
}

// byFrames are attacks with frames (RFC 6455, section 5), on either wire.
var byFrames = []attack{
	// A client must mask (RFC 6455, 5.1).
	{"an unmasked frame", frames((*line).end, "\x81\x02{}", "\x89\x00"), "2 x closed with 1002, 2 x closed with 1002 protocol_error"},
	// RSV bits without an extension (5.2).
	{"RSV bits", frames((*line).end, wstest.Frame(wstest.Fin|0x40|wstest.OpText, "{}"), wstest.Frame(wstest.Fin|0x20|wstest.OpText, "{}"), wstest.Frame(wstest.Fin|0x10|wstest.OpPing, "")), "3 x closed with 1002, 3 x closed with 1002 protocol_error"},
	// Reserved opcodes (5.2).
	{"reserved opcodes", frames((*line).end, wstest.Frame(wstest.Fin|3, ""), wstest.Frame(wstest.Fin|7, ""), wstest.Frame(wstest.Fin|0xb, ""), wstest.Frame(wstest.Fin|0xf, "")), "4 x closed with 1002, 4 x closed with 1002 protocol_error"},
	// Control frames that are fragmented, or are too long (5.5).
	{"control frames in fragments", frames((*line).end, wstest.Frame(wstest.OpPing, "a"), wstest.Frame(wstest.OpClose, ""), wstest.Frame(wstest.OpPong, "")), "3 x closed with 1002, 3 x closed with 1002 protocol_error"},
	{"a giant ping", frames((*line).end, wstest.Frame(wstest.Fin|wstest.OpPing, strings.Repeat("a", 126)), wstest.Frame(wstest.Fin|wstest.OpPong, strings.Repeat("a", 65_536)), wstest.Header(wstest.Fin|wstest.OpPing, 1<<63)), "3 x closed with 1002, 3 x closed with 1002 protocol_error"},
	// Lengths larger than any memory, or negative as a signed integer (5.2; CVE-2021-32640's
	// class): the server must not allocate for bytes that have not arrived.
	{"lengths of 2^62 and 2^63", frames((*line).end, wstest.Header(wstest.Fin|wstest.OpText, 1<<62), wstest.Header(wstest.Fin|wstest.OpText, 1<<63), wstest.Header(wstest.Fin|wstest.OpText, 1<<64-1), wstest.Header(wstest.Fin|wstest.OpBinary, 1<<31)), "4 x closed with 1009, 4 x closed with 1009 frame_too_big"},
	// A hundred clients announce frames of the maximum length, send a little, and wait.
	{"announced frames that never arrive", func(a *attacker) string {
		got := make(tally)
		var all []*line
		for i := range 100 {
			all = append(all, a.open(i, "/v2").say(wstest.Header(wstest.Fin|wstest.OpText, 64<<10)+"x"))
		}
		a.crowd.await(5)
		for _, l := range all {
			l.say(wstest.Masked(strings.Repeat("x", 64<<10))[1:])
			got.add(l.reply(nil))
		}
		return got.String()
	}, "100 x malformed"},
	// A length that uses more bytes than necessary (5.2).
	{"lengths in too many bytes", frames((*line).end, "\x81\xfe\x00\x02mask{}", "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x02mask{}"), "2 x closed with 1002, 2 x closed with 1002 protocol_error"},
	// A message that is one byte too large, at once and in pieces (clause 1.3).
	{"a message that is too large", frames((*line).end, wstest.Text(strings.Repeat(" ", 64<<10+1)), wstest.Frame(wstest.OpText, strings.Repeat(" ", 64<<10))+wstest.Frame(wstest.OpContinuation, " ")), "2 x closed with 1009, 2 x closed with 1009 frame_too_big"},
	// A frame that arrives one byte at a time is valid.
	{"one byte at a time", func(a *attacker) string {
		l := a.open(0, withToken("/v2", a.tokenOf("ann")))
		for _, b := range []byte(wstest.Text(joinOf("open.slow", ""))) {
			l.say(string([]byte{b}))
		}
		return l.reply("j")
	}, "ok"},
	// A message in fragments of a byte (CVE-2023-26049's kin: quadratic work).
	{"fragments of a byte", func(a *attacker) string {
		l := a.open(0, withToken("/v2", a.tokenOf("ann")))
		message := joinOf("open.bits", "") + strings.Repeat(" ", 20_000)
		var b strings.Builder
		for i := range len(message) {
			op := byte(wstest.OpContinuation)
			switch i {
			case 0:
				op = wstest.OpText
			case len(message) - 1:
				op |= wstest.Fin
			}
			b.WriteString(wstest.Frame(op, message[i:i+1]))
		}
		return l.say(b.String()).reply("j")
	}, "ok"},
	// A message that never ends, in empty fragments (CWE-400).
	{"endless empty fragments", frames((*line).lives, wstest.Frame(wstest.OpText, "")+strings.Repeat(wstest.Frame(wstest.OpContinuation, ""), 50_000)), "2 x lives"},
	// A message that never ends, in fragments with content.
	{"endless fragments", frames((*line).end, wstest.Frame(wstest.OpText, "x")+strings.Repeat(wstest.Frame(wstest.OpContinuation, strings.Repeat("x", 100)), 1000)), "closed with 1009, closed with 1009 frame_too_big"},
	// Fragments in the wrong order (5.4).
	{"fragments in disorder", frames((*line).end, wstest.Frame(wstest.Fin|wstest.OpContinuation, "x"), wstest.Frame(wstest.OpText, "{")+wstest.Text("}"), wstest.Frame(wstest.OpBinary, "x")+wstest.Frame(wstest.OpText, "x")), "3 x closed with 1002, 3 x closed with 1002 protocol_error"},
	// Control frames between fragments are allowed, and a thousand of them change nothing.
	{"pings between fragments", func(a *attacker) string {
		l := a.open(0, "/v2")
		l.say(wstest.Frame(wstest.OpText, `{"id":1,`) + strings.Repeat(wstest.Frame(wstest.Fin|wstest.OpPing, "x"), 300) + wstest.Frame(wstest.Fin|wstest.OpContinuation, `"ping":{}}`))
		return l.reply(1)
	}, "ok"},
	// Pings by the thousand: the server answers them up to the limit of an address.
	{"a flood of pings", func(a *attacker) string {
		l := a.open(0, "/v2").say(strings.Repeat(wstest.Frame(wstest.Fin|wstest.OpPing, "flood"), 5000) + wstest.Close(1000, ""))
		pongs := 0
		for {
			op, _, err := l.Frame()
			switch {
			case err != nil:
				return ending(err)
			case op == wstest.OpPong:
				pongs++
			case op == wstest.OpClose && pongs > 0 && pongs < 5000:
				return "some have answers, not all; closed"
			case op == wstest.OpClose:
				return fmt.Sprint(pongs, " pongs")
			}
		}
	}, "some have answers, not all; closed"},
	// The same from a client that does not read the pongs.
	{"pings without reading the pongs", func(a *attacker) string {
		for i := range 20 {
			go a.narrow(i).say(handshake([]string{"/", "/v2"}[i%2]) + strings.Repeat(wstest.Frame(wstest.Fin|wstest.OpPing, strings.Repeat("p", 125)), 20_000))
		}
		a.crowd.await(40)
		return "20 flood"
	}, "20 flood"},
	// Unsolicited pongs (5.5.3).
	{"a flood of pongs", frames((*line).lives, strings.Repeat(wstest.Frame(wstest.Fin|wstest.OpPong, "x"), 50_000)), "2 x lives"},
	// Endless pongs and fragments.
	{"endless pongs and fragments", func(a *attacker) string {
		got := make(tally)
		for i, endless := range []string{wstest.Frame(wstest.Fin|wstest.OpPong, ""), wstest.Frame(wstest.Fin|wstest.OpPing, ""), wstest.Frame(wstest.OpContinuation, "")} {
			for _, path := range []string{"/", "/v2"} {
				l := a.open(i, path).say(wstest.Frame(wstest.OpText, ""))
				go func() {
					many := []byte(strings.Repeat(endless, 10_000))
					for {
						if _, err := l.Conn.Write(many); err != nil {
							return
						}
					}
				}()
				got.add(l.end())
			}
		}
		return got.String()
	}, "3 x closed with 1008, 3 x closed with 4203 rate_limited"},
	// Close frames with codes that must not be sent, half a code, and invalid text (7.4, 5.5.1).
	{"invalid close frames", frames((*line).end,
		wstest.Close(0, ""), wstest.Close(999, ""), wstest.Close(1004, ""), wstest.Close(1005, ""), wstest.Close(1006, ""), wstest.Close(1015, ""),
		wstest.Close(2999, ""), wstest.Close(5000, ""), wstest.Close(65535, ""), wstest.Frame(wstest.Fin|wstest.OpClose, "x")), "10 x closed with 1002, 10 x closed with 1002 protocol_error"},
	{"a close frame with bad text", frames((*line).end, wstest.Close(1000, "\xff\xfe")), "closed with 1007, closed with 1007 invalid_text"},
	// The server ignores frames after the close frame (5.5.1).
	{"requests after the close frame", func(a *attacker) string {
		l := a.open(0, withToken("/v2", a.tokenOf("ann"))).say(wstest.Close(1000, "") + wstest.Text(`{"publish":{"channel":"open.late","message":1}}`))
		said := l.end()
		var page struct{ Messages []any }
		a.Must("GET", "/v2/channels/open.late/messages", nil, &page)
		return fmt.Sprint(said, ", published ", len(page.Messages))
	}, "closed with 1000, published 0"},
	// A client that the server closes keeps sending, and never sends a close frame.
	{"garbage after an error", func(a *attacker) string {
		l := a.open(0, "/v2").say("\x81\x02{}")
		go l.say(strings.Repeat("garbage", 100_000))
		return l.end() + ", then " + l.rest()
	}, "closed with 1002 protocol_error, then cut"},
	// Invalid UTF-8: in one frame, over two fragments, surrogates, overlong (8.1).
	{"bad UTF-8", frames((*line).end, wstest.Text("\"\xff\""), wstest.Frame(wstest.OpText, "\"\xe2\x82")+wstest.Frame(wstest.Fin|wstest.OpContinuation, "x\""), wstest.Text("\"\xed\xa0\x80\""), wstest.Text("\"\xc0\xaf\""), wstest.Text("\"\xf4\x90\x80\x80\"")), "5 x closed with 1007, 5 x closed with 1007 invalid_text"},
	// A character that is split between fragments is valid.
	{"a character in two fragments", func(a *attacker) string {
		l := a.open(0, "/v2")
		return l.say(wstest.Frame(wstest.OpText, "{\"id\":\"\xe2\x82") + wstest.Frame(wstest.Fin|wstest.OpContinuation, "\xac\",\"ping\":{}}")).reply("€")
	}, "ok"},
	// Binary messages, where the protocol needs text (clause 1.1).
	{"binary messages", func(a *attacker) string {
		classic := a.open(0, "/").say(strings.Repeat(wstest.Frame(wstest.Fin|wstest.OpBinary, "x"), 60)).lives()
		return "classic: " + classic + "; protocol 2: " + a.open(0, "/v2").say(strings.Repeat(wstest.Frame(wstest.Fin|wstest.OpBinary, "x"), 60)).end()
	}, "classic: lives; protocol 2: closed with 4402 too_many_malformed"},
}
