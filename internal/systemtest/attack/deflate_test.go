package attack

import (
	"bytes"
	"compress/flate"
	"fmt"
	"strings"
	"sync"

	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// byCompression are attacks with compressed messages (RFC 7692). The limit of a message is 64 KiB, before and after
// decompression.
var byCompression = []attack{
	// Parameters that are unknown, repeated or have invalid values (RFC 7692, 7.1): the server declines, and the connection
	// works without compression.
	{"offers with wrong parameters", func(a *attacker) string {
		got := make(tally)
		for _, parameters := range []string{
			"server_max_window_bits", "server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=-9", "server_max_window_bits=0x9",
			"server_max_window_bits=99999999999999999999", "client_max_window_bits=08", `client_max_window_bits="1 0"`, "client_no_context_takeover=1",
			"server_no_context_takeover; server_no_context_takeover", "x", "client_max_window_bits=9; client_max_window_bits=9",
		} {
			l := a.dial(0, a.WS).say(handshake("/v2", "Sec-WebSocket-Extensions: permessage-deflate; "+parameters))
			said, response := l.answered()
			got.add(fmt.Sprintf("%s with %q", said, response.Header.Get("Sec-WebSocket-Extensions")))
		}
		return got.String()
	}, `11 x 101 with "", 400 malformed with ""`},
	{"a thousand offers", func(a *attacker) string {
		offers := strings.Repeat("permessage-deflate; x, ", 300) + "permessage-deflate"
		_, response := a.dial(0, a.WS).say(handshake("/v2", "Sec-WebSocket-Extensions: "+offers)).answered()
		return fmt.Sprintf("%d with %q", response.StatusCode, response.Header.Get("Sec-WebSocket-Extensions"))
	}, `101 with "permessage-deflate; client_no_context_takeover"`},
	// 64 KiB on the wire become 60 MiB.
	{"a bomb", compressed((*line).end, wstest.Frame(compressedText, bomb(60<<20))), "closed with 1009, closed with 1009 frame_too_big"},
	{"a bomb in fragments", compressed((*line).end, fragments(bomb(60<<20), 1000)), "closed with 1009, closed with 1009 frame_too_big"},
	{"a bomb in a binary message", compressed((*line).end, wstest.Frame(wstest.Fin|wstest.RSV1|wstest.OpBinary, bomb(60<<20))), "closed with 1009, closed with 1009 frame_too_big"},
	// Bombs of 100 clients at the same time. The heap must not grow by what they would become.
	{"100 bombs at once", func(a *attacker) string {
		frame := wstest.Frame(compressedText, bomb(60<<20))
		return a.atOnce(100, func(l *line) string { return l.say(frame).end() })
	}, "100 x closed with 1009 frame_too_big"},
	// Messages that are just small enough, in so few bytes that a client can send thousands of them per second. 6 MiB of
	// them together are decompressed at once.
	{"100 clients with large messages in a few bytes", func(a *attacker) string {
		text := `{"id":1,"ping":{}}`
		large := deflated(text + strings.Repeat(" ", 64<<10-len(text)))
		return a.atOnce(100, func(l *line) string {
			l.say(strings.Repeat(wstest.Frame(compressedText, large), 5))
			for range 4 {
				l.reply(1)
			}
			return l.reply(1)
		})
	}, "100 x ok"},
	// Many blocks without a byte in them, some of which are final, need the most time for the least result.
	{"empty blocks", func(a *attacker) string {
		frames := wstest.Frame(compressedText, strings.Repeat("\x03\x00", 32<<10)) + wstest.Frame(compressedText, strings.Repeat("\x00\x00\x00\xff\xff", 13_000)+"\x00")
		return a.atOnce(10, func(l *line) string {
			l.say(frames + wstest.Text(`{"id":1,"ping":{}}`))
			return l.reply(1) + ", " + l.reply(1) + ", " + l.reply(1)
		})
	}, "10 x malformed, malformed, ok"},
	{"data that is not deflate", compressed((*line).end, wstest.Frame(compressedText, "\xff"), wstest.Frame(compressedText, "\x04\xff\xff\xff\xff"), wstest.Frame(compressedText, "{}")), "3 x closed with 1007, 3 x closed with 1007 invalid_text"},
	// A reference to bytes that a client has never sent must not show those of others.
	{"a reference to nothing", compressed((*line).end, wstest.Frame(compressedText, "\xf2\x00\x11\x00\x00")), "closed with 1007, closed with 1007 invalid_text"},
	{"compressed control frames", compressed((*line).end, wstest.Frame(wstest.Fin|wstest.RSV1|wstest.OpPing, "\x00"), wstest.Frame(wstest.Fin|wstest.RSV1|wstest.OpClose, "\x00")), "2 x closed with 1002, 2 x closed with 1002 protocol_error"},
	{"a compressed continuation", compressed((*line).end, wstest.Frame(wstest.RSV1|wstest.OpText, "\x00")+wstest.Frame(wstest.Fin|wstest.RSV1, "\x00")), "closed with 1002, closed with 1002 protocol_error"},
}

const compressedText = wstest.Fin | wstest.RSV1 | wstest.OpText

// deflated returns the payload of a compressed message.
func deflated(text string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	w.Write([]byte(text))
	w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// bomb returns the payload of a compressed message with n spaces.
func bomb(n int) string { return deflated(strings.Repeat(" ", n)) }

// fragments returns a compressed message in fragments of the given size.
func fragments(payload string, size int) string {
	var b strings.Builder
	first := byte(wstest.RSV1 | wstest.OpText)
	for len(payload) > size {
		b.WriteString(wstest.Frame(first, payload[:size]))
		payload, first = payload[size:], wstest.OpContinuation
	}
	return b.String() + wstest.Frame(wstest.Fin|first, payload)
}

const deflateOffer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"

// compressed is frames with compression.
func compressed(outcome func(*line) string, texts ...string) func(*attacker) string {
	return func(a *attacker) string {
		got := make(tally)
		for _, path := range []string{"/", "/v2"} {
			for _, text := range texts {
				got.add(outcome(a.open(0, path, deflateOffer).say(text)))
			}
		}
		return got.String()
	}
}

// atOnce opens connections that have agreed on compression, and then does the same on all of them at once.
func (a *attacker) atOnce(n int, do func(*line) string) string {
	var lines []*line
	for i := range n {
		lines = append(lines, a.open(i, "/v2", deflateOffer))
	}
	got := make(tally)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, l := range lines {
		wg.Go(func() {
			said := do(l)
			mu.Lock()
			defer mu.Unlock()
			got.add(said)
		})
	}
	wg.Wait()
	return got.String()
}
