package ws

import (
	"bytes"
	"compress/flate"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
	"github.com/boreas-pubsub/boreas/v2/limit"
)

// deflated returns the payload of a compressed message that refers to nothing.
func deflated(message string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	w.Write([]byte(message))
	w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

const compressedText = fin | wstest.RSV1 | 1

// bomb returns the payload of a compressed message with n spaces.
func bomb(n int) string { return deflated(strings.Repeat(" ", n)) }

// TestCompressedFrames is like TestFrames, for a client that has agreed on compression (clauses 1.3, 1.4 and 1.8).
func TestCompressedFrames(t *testing.T) {
	const request = `{"id":1,"ping":{}}`
	answer := []string{"text " + request}
	short := deflated(request)
	long := strings.Repeat(" ", 30_000) + request
	client := wstest.Deflate{ClientBits: 10, ClientContext: true}
	first, second := client.Compress(request), client.Compress(request)
	most := strings.Repeat(" ", DefaultMaxMessage-len(request)) + request
	for name, c := range map[string]struct {
		bytes []byte
		want  []string
	}{
		"compressed":                      {frame(compressedText, short), answer},
		"not compressed":                  {text(request), answer},
		"both":                            {join(frame(compressedText, short), text(request), frame(compressedText, short)), []string{answer[0], answer[0], answer[0]}},
		"with context":                    {join(frame(compressedText, first), frame(compressedText, second)), []string{answer[0], answer[0]}},
		"with context, and one between":   {join(frame(compressedText, first), text(long), ping(""), frame(compressedText, second)), []string{answer[0], answer[0], "pong ", answer[0]}},
		"in fragments":                    {join(frame(wstest.RSV1|1, short[:3]), frame(0, ""), frame(0, short[3:5]), frame(fin, short[5:])), answer},
		"control between fragments":       {join(frame(wstest.RSV1|1, short[:3]), ping("?"), frame(fin, short[3:])), []string{"pong ?", answer[0]}},
		"all in the last fragment":        {join(frame(wstest.RSV1|1, ""), frame(0, ""), frame(fin, short)), answer},
		"large":                           {frame(compressedText, deflated(long)), answer},
		"large, in fragments":             {join(frame(wstest.RSV1|1, deflated(long)[:20]), frame(fin, deflated(long)[20:])), answer},
		"the largest":                     {frame(compressedText, deflated(most)), answer},
		"empty":                           {join(frame(compressedText, "\x00"), ping("")), []string{"text " + emptyMessage, "pong "}},
		"nothing":                         {join(frame(compressedText, ""), ping("")), []string{"text " + emptyMessage, "pong "}},
		"binary":                          {frame(fin|wstest.RSV1|2, short), []string{"text " + binaryMessage}},
		"UTF-8 across fragments":          {join(frame(wstest.RSV1|1, "\x00\x01\x00\xfe\xff\xc4"), frame(fin, "\x00\x01\x00\xfe\xff\x8d\x00")), []string{"text " + noJSON}},
		"invalid UTF-8":                   {frame(compressedText, deflated("\xff")), []string{"close 1007 a text message is not valid UTF-8"}},
		"invalid UTF-8 in binary":         {frame(fin|wstest.RSV1|2, deflated("\xff")), []string{"text " + binaryMessage}},
		"UTF-8 that is invalid as it is":  {frame(compressedText, "\xff"), []string{"close 1007 a compressed message is not valid deflate data (RFC 7692)"}},
		"not deflate":                     {frame(compressedText, "\x07"+request), []string{"close 1007 a compressed message is not valid deflate data (RFC 7692)"}},
		"cut off":                         {frame(compressedText, short[:5]), []string{"close 1007 a compressed message is not valid deflate data (RFC 7692)"}},
		"context that it does not have":   {frame(compressedText, second), []string{"close 1007 a compressed message is not valid deflate data (RFC 7692)"}},
		"nothing after an error":          {join(frame(compressedText, "\xff"), frame(compressedText, short)), []string{"close 1007 a compressed message is not valid deflate data (RFC 7692)"}},
		"too large":                       {frame(compressedText, bomb(DefaultMaxMessage+1)), []string{"close 1009 a message has more than 65536 bytes after decompression (max_message)"}},
		"far too large":                   {frame(compressedText, bomb(50<<20)), []string{"close 1009 a message has more than 65536 bytes after decompression (max_message)"}},
		"too large, in fragments":         {join(frame(wstest.RSV1|1, bomb(80_000)[:10]), frame(fin, bomb(80_000)[10:])), []string{"close 1009 a message has more than 65536 bytes after decompression (max_message)"}},
		"too large on the wire":           {frame(compressedText, strings.Repeat("x", DefaultMaxMessage+1))[:20], []string{"close 1009 a message has more than 65536 bytes (max_message)"}},
		"reserved bit 1 on a ping":        {frame(fin|wstest.RSV1|9, "x"), []string{"close 1002 non-zero rsv bits with no extension negotiated"}},
		"reserved bit 1 on a close frame": {frame(fin|wstest.RSV1|8, "x"), []string{"close 1002 non-zero rsv bits with no extension negotiated"}},
		"reserved bit 1 on a fragment":    {join(frame(wstest.RSV1|1, short[:3]), frame(fin|wstest.RSV1, short[3:])), []string{"close 1002 non-zero rsv bits with no extension negotiated"}},
		"reserved bit 2":                  {frame(fin|0x20|1, "x"), []string{"close 1002 non-zero rsv bits with no extension negotiated"}},
		"reserved bits 1 and 3":           {frame(fin|0x50|1, short), []string{"close 1002 non-zero rsv bits with no extension negotiated"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, chunk := range []int{0, 1, 2, 3, 7, 4096} {
				r := newRigSpeaking(t, v2Dialect{}, boreas.Options{}, Options{NoAuth: true})
				r.c.clientBits = 10
				r.c.h.workers.open()
				r.feed(c.bytes, chunk)
				r.c.h.workers.close()
				var got []string
				for _, f := range r.out.frames() {
					if !strings.HasPrefix(f, `text {"goodbye"`) {
						got = append(got, f)
					}
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("in pieces of %d (-want +got):\n%s", chunk, diff)
				}
				if r.c.in != nil && !strings.HasPrefix(got[0], "close") {
					t.Errorf("in pieces of %d: holds %+v between messages", chunk, r.c.in)
				}
				if n := r.hub.Stats().Held.Bytes; n != 0 {
					t.Errorf("in pieces of %d: %d bytes are held", chunk, n)
				}
			}
		})
	}
}

const (
	emptyMessage  = `{"error":{"code":"malformed","message":"The request is not valid JSON.","retry":"never","docs":"docs/errors.md#malformed"}}`
	binaryMessage = `{"error":{"code":"malformed","message":"The message is binary: send requests as text.","retry":"never","docs":"docs/errors.md#malformed"}}`
	noJSON        = emptyMessage
)

// The window has the last bytes of the client's messages, and needs no more memory than the client has sent.
func TestSlide(t *testing.T) {
	var window []byte
	all := ""
	for i := range 2000 {
		message := strings.Repeat(fmt.Sprint(i), i%7)
		if i%100 == 99 {
			message = strings.Repeat(message, 30)
		}
		all += message
		window = slide(window, []byte(message), 1024)
		if want := all[max(0, len(all)-1024):]; string(window) != want {
			t.Fatalf("after message %d: got %q, want %q", i, window, want)
		}
		if most := max(min(len(all)+len(all)/4+16, 1024), len(window)); cap(window) > most {
			t.Fatalf("after message %d: room for %d bytes, and the client has sent %d", i, cap(window), len(all))
		}
	}
}

// A connection without compressed messages has no window, and one whose client compresses each message on its own does
// not get one.
func TestWindowsAreKeptOnlyIfNeeded(t *testing.T) {
	request := frame(compressedText, deflated(`{"id":1,"ping":{}}`))
	for _, c := range []struct {
		bits  uint8
		bytes []byte
		want  string
	}{
		{10, text(`{"id":1,"ping":{}}`), ""},
		{10, request, `{"id":1,"ping":{}}`},
		{noContext, request, ""},
	} {
		r := newRigSpeaking(t, v2Dialect{}, boreas.Options{}, Options{})
		r.c.clientBits = c.bits
		r.feed(c.bytes, 0)
		got := ""
		if r.c.rare != nil {
			got = string(r.c.rare.window)
		}
		if got != c.want || len(r.out.frames()) != 1 {
			t.Errorf("%d bits: the window is %q, want %q; %q", c.bits, got, c.want, r.out.frames())
		}
	}
}

// A message counts as many bytes as it has after decompression, and one that is too large as many as a message may have.
func TestCompressedMessagesCount(t *testing.T) {
	const request = `{"id":1,"ping":{}}`
	large := request + strings.Repeat(" ", 20_000-len(request))
	small := deflated(large)
	// refused returns how many messages of 20,000 bytes an address may send after the given bytes.
	refused := func(t *testing.T, before, message []byte) (n int) {
		limits := limit.New(limit.Options{Address: limit.Bounds{Bytes: 100_000}})
		for _, b := range [][]byte{before, message} {
			r := newRigSpeaking(t, v2Dialect{}, boreas.Options{}, Options{NoAuth: true, Limits: limits})
			r.c.clientBits = 10
			for n = 0; n < 1000 && !strings.Contains(fmt.Sprint(r.out.frames()), "address_"); n++ {
				r.feed(b, 0)
				if string(b) == string(before) {
					break
				}
			}
		}
		return n
	}
	plain := text(large)
	for name, c := range map[string]struct{ compressed, same []byte }{
		"whole": {frame(compressedText, small), plain},

		"longer on the wire": {frame(compressedText, deflated(request)+"\x00\x00\xff\xff"+strings.Repeat("\x00\x00\x00\xff\xff", 3994)+"\x00"), plain},
		"in fragments":       {join(frame(wstest.RSV1|1, small[:9]), frame(fin, small[9:])), join(frame(1, large[:9]), frame(fin, large[9:]))},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				want := refused(t, nil, c.same)
				// The last message may be over the limit, but not if it came in fragments, which count before it.
				if got := refused(t, nil, c.compressed); got < want || got > want+1 || want < 4 {
					t.Errorf("the address may send %d compressed messages, and %d others of the same size", got, want)
				}
			})
		})
	}
	t.Run("too large", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			want := refused(t, text(strings.Repeat(" ", DefaultMaxMessage)), plain)
			if got := refused(t, frame(compressedText, bomb(1<<20)), plain); got != want {
				t.Errorf("after a bomb, the address may send %d messages, and after the largest message %d", got, want)
			}
		})
	})
}

// A compressed message waits for memory as any other of its size after decompression.
func TestCompressedMessagesWaitForRoom(t *testing.T) {
	for name, split := range map[string]int{"whole": 0, "in fragments": 20} {
		t.Run(name, func(t *testing.T) {
			inCrowd(t, boreas.Options{PeerMemory: 512 << 10}, v2Dialect{}, func(r *crowd) {
				payload := deflated(fmt.Sprintf(`{"id":1,"ping":{}%s}`, strings.Repeat(" ", large)))
				message := frame(compressedText, payload)
				if split > 0 {
					message = join(frame(wstest.RSV1|1, payload[:split]), frame(fin, payload[split:]))
				}
				first, second, small := r.dial(), r.dial(), r.dial()
				r.send(first, unfinished())
				r.send(second, join(text(`{"id":0,"ping":{}}`), message))
				r.send(small, frame(compressedText, deflated(`{"id":2,"ping":{}}`)))
				if held := r.hub.Stats().Held; held.Waiting != 1 || len(second.out.frames()) != 1 {
					t.Fatalf("held: %+v; the second got %q", held, second.out.frames())
				}
				if got := small.out.frames(); len(got) != 1 {
					t.Errorf("a small message got %q", got)
				}
				r.send(first, []byte("  "))
				if got := second.out.frames(); len(got) != 2 || got[1] != `text {"id":1,"ping":{}}` {
					t.Errorf("the second got %q", got)
				}
				if held := r.hub.Stats().Held; held.Bytes != 0 || held.Refused.Address != 0 {
					t.Errorf("held: %+v", held)
				}

				r.send(r.dial(), unfinished())
				r.send(second, message)
				time.Sleep(11 * time.Second)
				synctest.Wait()
				if got := second.out.frames(); !strings.HasPrefix(got[len(got)-1], "close 4205 peer_memory") {
					t.Errorf("the second got %q, and never had room", got)
				}
			})
		})
	}
}

// Bombs are found before memory is allocated for them.
func TestBombsAllocateNothing(t *testing.T) {
	b := frame(compressedText, bomb(100<<20))
	if len(b) < 100_000 {
		b = frame(compressedText, bomb(60<<20))
	}
	r := newRigSpeaking(t, v2Dialect{}, boreas.Options{}, Options{MaxMessage: 1 << 20})
	r.c.clientBits = 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r.feed(b, 0)
	runtime.ReadMemStats(&after)
	if frames := r.out.frames(); len(frames) != 2 || !strings.HasPrefix(frames[1], "close 1009 ") {
		t.Errorf("%.200q", frames)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 2*uint64(len(b))+100_000 {
		t.Errorf("%d bytes were allocated for %d", n, len(b))
	}
}

// FuzzCompressedFrames is FuzzFrames for a client that has agreed on compression.
func FuzzCompressedFrames(f *testing.F) {
	request := deflated(auth)
	f.Add(join(frame(compressedText, request), frame(compressedText, deflated(joining("a"))), ping("x"), closeOf("\x03\xe8bye")), 3)
	f.Add(join(frame(wstest.RSV1|1, request[:4]), ping(""), frame(fin, request[4:])), 1)
	f.Add(frame(compressedText, bomb(200)), 5)
	f.Add(join(frame(compressedText, "\xf2\x48\xcd\xc9\xc9\x07\x00"), frame(compressedText, "\xf2\x00\x11\x00\x00")), 5)
	f.Fuzz(func(t *testing.T, b []byte, chunk int) {
		whole, pieces := newRig(t, Options{MaxMessage: 100}), newRig(t, Options{MaxMessage: 100})
		whole.c.clientBits, pieces.c.clientBits = 9, 9
		whole.feed(b, 0)
		pieces.feed(b, 1+int(uint(chunk)%16))
		if !bytes.Equal(whole.out.bytes, pieces.out.bytes) {
			t.Errorf("whole: %q\npieces: %q", whole.out.frames(), pieces.out.frames())
		}
	})
}
