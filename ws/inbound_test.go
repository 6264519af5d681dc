package ws

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
)

const auth = `{"access_token": "valid"}`

func joining(name string) string {
	return fmt.Sprintf(`{"channels": {"join": [%q], "leave": []}}`, name)
}

// TestFrames tests RFC 6455 by examples of input and output. Each input is fed as a whole, byte by
// byte, and in pieces. The output must be the same.
func TestFrames(t *testing.T) {
	big := strings.Repeat("x", DefaultMaxMessage)
	cases := []struct {
		name  string
		bytes []byte
		want  []string
		on    string // a channel that it must be on afterwards
	}{
		{"ping", ping("hello"), []string{"pong hello"}, ""},
		{"ping without payload", ping(""), []string{"pong "}, ""},
		{"ping of 125 bytes", ping(big[:125]), []string{"pong " + big[:125]}, ""},
		{"ping of 126 bytes", ping(big[:126]), []string{"close 1002 control frame payload limit exceeded"}, ""},
		{"fragmented ping", frame(9, "x"), []string{"close 1002 control frame is not final"}, ""},
		{"unasked pong", frame(fin|10, "x"), nil, ""},
		{"two pings", join(ping("1"), ping("2")), []string{"pong 1", "pong 2"}, ""},

		{"text", join(text(auth), text(joining("a"))), nil, "a"},
		{"text in fragments", join(text(auth), frame(1, joining("a")[:5]), frame(0, joining("a")[5:9]), frame(fin, joining("a")[9:])), nil, "a"},
		{"empty fragments", join(text(auth), frame(1, ""), frame(0, joining("a")), frame(fin, "")), nil, "a"},
		{"control between fragments", join(text(auth), frame(1, joining("a")[:5]), ping("?"), frame(fin, joining("a")[5:])), []string{"pong ?"}, "a"},
		{"UTF-8 across fragments", join(text(auth), frame(1, `{"channels": {"join": ["`+"\xc4"), frame(fin, "\x8d"+`"], "leave": []}}`)), nil, "č"},
		{"empty text", join(text(""), ping("")), []string{"pong "}, ""},
		{"binary", join(frame(fin|2, auth), frame(fin|2, "\xff\xfe"), ping("")), []string{"pong "}, ""},

		{"ping of 126 bytes, the beginning", ping(big[:126])[:2], []string{"close 1002 control frame payload limit exceeded"}, ""},
		{"ping of 2^63 bytes", []byte{fin | 9, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, []string{"close 1002 control frame payload limit exceeded"}, ""},
		{"ping of 2^63 bytes, the beginning", []byte{fin | 9, 0x80 | 127}, []string{"close 1002 control frame payload limit exceeded"}, ""},
		{"close of 2^63 bytes", []byte{fin | 8, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, []string{"close 1002 control frame payload limit exceeded"}, ""},
		{"pong of 2^64-1 bytes", []byte{fin | 10, 0x80 | 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []string{"close 1002 control frame payload limit exceeded"}, ""},
		{"too large, before the mask", frame(fin|1, big+"x")[:10], []string{"close 1009 a message has more than 65536 bytes (max_message)"}, ""},

		{"UTF-8 that is wrong in a frame under way", text("ok \xce\xba\xff and more")[:12], []string{"close 1007 a text message is not valid UTF-8"}, ""},
		{"UTF-8 that is wrong in a fragment", frame(1, "ok \xc0"), []string{"close 1007 a text message is not valid UTF-8"}, ""},
		{"a character beyond U+10FFFF, the beginning", frame(1, "\xf4\x90"), []string{"close 1007 a text message is not valid UTF-8"}, ""},
		{"a surrogate, the beginning", frame(1, "\xed\xa0"), []string{"close 1007 a text message is not valid UTF-8"}, ""},
		{"a character broken by the next fragment", join(frame(1, "\xe2\x82"), frame(0, "x")), []string{"close 1007 a text message is not valid UTF-8"}, ""},
		{"too long a form, over fragments", join(frame(1, "\xe0"), frame(0, "\x80")), []string{"close 1007 a text message is not valid UTF-8"}, ""},
		{"a character in four fragments", join(text(auth), frame(1, `{"channels": {"join": ["`+"\xf0"), frame(0, "\x9d"), frame(0, ""), frame(0, "\x84"), frame(fin, "\x9e"+`"], "leave": []}}`)), nil, "𝄞"},
		{"binary is no text", join(frame(2, "\xff\xfe"), frame(fin, "\xff"), ping("")), []string{"pong "}, ""},
		{"text after a fragmented one", join(frame(1, "\xc4"), frame(fin, "\x8d"), text("\xff")), []string{"close 1007 a text message is not valid UTF-8"}, ""},

		{"invalid UTF-8", text("\xff"), []string{"close 1007 a text message is not valid UTF-8"}, ""},
		{"invalid UTF-8 in the last fragment", join(frame(1, "ok"), frame(fin, "\xc4")), []string{"close 1007 a text message is not valid UTF-8"}, ""},
		{"surrogate", text("\xed\xa0\x80"), []string{"close 1007 a text message is not valid UTF-8"}, ""},

		{"reserved bit 1", frame(fin|0x40|1, "x"), []string{"close 1002 non-zero rsv bits with no extension negotiated"}, ""},
		{"reserved bit 3 on ping", frame(fin|0x10|9, "x"), []string{"close 1002 non-zero rsv bits with no extension negotiated"}, ""},
		{"reserved data opcode", frame(fin|3, "x"), []string{"close 1002 use of reserved op code"}, ""},
		{"reserved control opcode", frame(fin|11, "x"), []string{"close 1002 use of reserved op code"}, ""},
		{"unmasked", []byte{fin | 1, 1, 'x'}, []string{"close 1002 frames from client to server must be masked"}, ""},
		{"continuation of nothing", frame(fin, "x"), []string{"close 1002 unexpected continuation data frame"}, ""},
		{"text inside a fragmented text", join(frame(1, "x"), text("y")), []string{"close 1002 unexpected non-continuation data frame"}, ""},
		{"length 5 in two bytes", []byte{fin | 1, 0x80 | 126, 0, 5, 1, 2, 3, 4}, []string{"close 1002 a length is not encoded in the fewest bytes"}, ""},
		{"length 200 in eight bytes", []byte{fin | 1, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 200, 1, 2, 3, 4}, []string{"close 1002 a length is not encoded in the fewest bytes"}, ""},
		{"length 2^63", []byte{fin | 1, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, []string{"close 1009 a message has more than 65536 bytes (max_message)"}, ""},

		{"the largest message", join(text(big), ping("")), []string{"pong "}, ""},
		{"too large", frame(fin|1, big+"x")[:20], []string{"close 1009 a message has more than 65536 bytes (max_message)"}, ""},
		{"length 2^62", []byte{fin | 1, 0x80 | 127, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, []string{"close 1009 a message has more than 65536 bytes (max_message)"}, ""},
		{"endless fragments", join(frame(1, big), frame(0, "x")), []string{"close 1009 a message has more than 65536 bytes (max_message)"}, ""},

		{"close", closeOf("\x03\xe8bye"), []string{"close 1000 "}, ""},
		{"close without a code", closeOf(""), []string{"close"}, ""},
		{"close with an application's code", closeOf("\x0f\xa0"), []string{"close 4000 "}, ""},
		{"close with 1012", closeOf("\x03\xf4"), []string{"close 1012 "}, ""},
		{"nothing after close", join(closeOf("\x03\xe8"), ping("?"), text("\xff")), []string{"close 1000 "}, ""},
		{"nothing after an error", join(text("\xff"), ping("?"), text("\xff")), []string{"close 1007 a text message is not valid UTF-8"}, ""},
		{"close with one byte", closeOf("\x03"), []string{"close 1002 a close frame has one byte: want none, or a code and a reason"}, ""},
		{"close with 1005", closeOf("\x03\xed"), []string{"close 1002 close code 1005 may not be sent"}, ""},
		{"close with 999", closeOf("\x03\xe7"), []string{"close 1002 close code 999 may not be sent"}, ""},
		{"close with 2999", closeOf("\x0b\xb7"), []string{"close 1002 close code 2999 may not be sent"}, ""},
		{"close with 65535", closeOf("\xff\xff"), []string{"close 1002 close code 65535 may not be sent"}, ""},
		{"close with a bad reason", closeOf("\x03\xe8\xff"), []string{"close 1007 a close frame's reason is not valid UTF-8"}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, chunk := range []int{0, 1, 2, 3, 7, 4096} {
				r := newRig(t, Options{})
				r.feed(c.bytes, chunk)
				if diff := cmp.Diff(c.want, r.out.frames()); diff != "" {
					t.Errorf("in pieces of %d (-want +got):\n%s", chunk, diff)
				}
				if c.on != "" && len(r.hub.ChannelIdentities(c.on)) != 1 {
					t.Errorf("in pieces of %d: not on %q: %+v", chunk, c.on, r.hub.Counts())
				}
				if c.want == nil && r.c.in != nil {
					t.Errorf("in pieces of %d: holds %+v between messages", chunk, r.c.in)
				}
			}
		})
	}
}

// TestTheEndIsNotAReset checks that the client reads the end of the connection once both close
// frames have been sent, even if it has sent more bytes.
func TestTheEndIsNotAReset(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		if k == overPlain {
			t.Skip("such a connection cannot be half closed")
		}
		more := join(text("later"), bytes.Repeat([]byte("x"), 100_000))
		for name, c := range map[string]struct {
			bytes []byte
			want  string
		}{
			"the client's close":  {closeOf("\x03\xe8bye"), "close 1000 "},
			"the server's answer": {join(text("\xff"), closeOf("\x03\xef")), "close 1007 a text message is not valid UTF-8"},
		} {
			t.Run(name, func(t *testing.T) {
				_, addr := server(t, k, boreas.Options{}, Options{CloseTimeout: time.Minute})
				cl := newClient(t, addr)
				cl.write(join(c.bytes, more))
				cl.want(c.want)
				cl.wantEOF()
			})
		}
	})
}

// TestAnsweredAndNotClosed checks that the server waits only briefly for a client that answers the
// close frame and does not close the connection.
func TestAnsweredAndNotClosed(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		const closeTimeout = 20 * time.Second
		begin := time.Now()
		hub, addr := server(t, k, boreas.Options{}, Options{CloseTimeout: closeTimeout})
		c := newClient(t, addr)
		c.write(closeOf("\x03\xe8bye"))
		c.want("close 1000 ")
		for hub.Sessions() > 0 && time.Since(begin) < closeTimeout {
			runtime.Gosched()
		}
		if n := hub.Sessions(); n > 0 {
			t.Errorf("%d sessions wait for the client", n)
		}
	})
}

// A client that keeps sending after its session has ended is still disconnected.
func TestTheEndOfAFlood(t *testing.T) {
	hub, addr := server(t, overSocket, boreas.Options{}, Options{CloseTimeout: 20 * time.Millisecond})
	c := newClient(t, addr)
	c.write(text("\xff"))
	c.want("close 1007 a text message is not valid UTF-8")
	for {
		if _, err := c.Write(make([]byte, 64<<10)); err != nil {
			break
		}
	}
	for hub.Sessions() > 0 {
		runtime.Gosched()
	}
}

// TestTheCloseAfterAnError checks that the client's answer to the close frame ends the connection, if
// the server can still find the answer among the client's bytes.
func TestTheCloseAfterAnError(t *testing.T) {
	long := frame(fin|1, strings.Repeat("x", 200))
	for name, broken := range map[string][]byte{
		"invalid UTF-8":            text("\xff"),
		"reserved opcode":          frame(fin|3, "some payload"),
		"reserved opcode, empty":   frame(fin|11, ""),
		"unmasked":                 {fin | 1, 1, 'x'},
		"too large":                long,
		"too large, in fragments":  join(frame(1, "x"), frame(0, strings.Repeat("y", 150))),
		"control frame too large":  ping(strings.Repeat("x", 130)),
		"text inside a fragmented": join(frame(1, "x"), text("y")),
	} {
		for _, chunk := range []int{0, 1, 5} {
			r := newRig(t, Options{MaxMessage: 100})
			if over := r.feed(join(broken, ping("?"), frame(1, "begun"), closeOf("\x03\xea")), chunk); !over {
				t.Errorf("%s, in pieces of %d: the server waits for more bytes", name, chunk)
			}
			if frames := r.out.frames(); len(frames) != 1 || !strings.HasPrefix(frames[0], "close 10") {
				t.Errorf("%s, in pieces of %d: %q", name, chunk, frames)
			}
		}
	}
}

// TestMemoryDoesNotGrowWithTheAnnouncedLength feeds the beginning of a frame whose header announces
// the maximum length.
func TestMemoryDoesNotGrowWithTheAnnouncedLength(t *testing.T) {
	r := newRig(t, Options{MaxMessage: math.MaxInt})
	r.feed([]byte{fin | 1, 0x80 | 127, 0, 0, 0, 0xff, 0, 0, 0, 0, 1, 2, 3, 4, 'x', 'y'}, 0)
	if got := cap(r.c.in.message); got > 64 {
		t.Errorf("2 bytes arrived, %d are held", got)
	}
}

func TestClosesAreCounted(t *testing.T) {
	n := new(Counters)
	for _, b := range [][]byte{text("\xff"), frame(fin|3, ""), frame(fin|1, strings.Repeat("x", 11)), frame(fin|3, "")} {
		newRig(t, Options{Counters: n, MaxMessage: 10}).feed(b, 0)
	}
	if n.InvalidText.Load() != 1 || n.ProtocolErrors.Load() != 2 || n.TooBig.Load() != 1 {
		t.Errorf("1007: %d, 1002: %d, 1009: %d; want 1, 2, 1", n.InvalidText.Load(), n.ProtocolErrors.Load(), n.TooBig.Load())
	}
}

// FuzzFrames feeds any bytes, as a whole and in pieces. The output must be the same, and consist of
// complete frames.
func FuzzFrames(f *testing.F) {
	f.Add(join(text(auth), text(joining("a")), ping("x"), closeOf("\x03\xe8bye")), 3)
	f.Add(join(frame(1, "{"), ping(""), frame(fin, "}")), 1)
	f.Add([]byte{fin | 1, 0x80 | 127, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, 5)
	f.Add([]byte{fin | 1, 0x80 | 126, 0, 5, 1, 2, 3, 4}, 2)
	f.Fuzz(func(t *testing.T, b []byte, chunk int) {
		whole, pieces := newRig(t, Options{MaxMessage: 100}), newRig(t, Options{MaxMessage: 100})
		whole.feed(b, 0)
		pieces.feed(b, 1+int(uint(chunk)%16))
		if !bytes.Equal(whole.out.bytes, pieces.out.bytes) {
			t.Errorf("whole: %q\npieces: %q", whole.out.frames(), pieces.out.frames())
		}
	})
}
