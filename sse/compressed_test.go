package sse

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/coding"
	"github.com/boreas-pubsub/boreas/v2/internal/ssetest"
)

// countingReader counts the bytes that it has read.
type countingReader struct {
	io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// zippedStream opens a stream and reads it byte by byte, as a slow proxy would.
func (r *rig) zippedStream(query string) (*reader, *countingReader) {
	r.Helper()
	resp := r.ask("GET", query+"&access_token=valid", "Accept-Encoding", "deflate, gzip;q=0.5, br")
	if got := resp.Header.Get("Content-Encoding"); resp.StatusCode != http.StatusOK || got != "gzip" {
		r.Fatalf("%s, coded with %q", resp.Status, got)
	}
	raw := &countingReader{Reader: iotest.OneByteReader(resp.Body)}
	z, err := gzip.NewReader(bufferless{raw})
	if err != nil {
		r.Fatal(err)
	}
	s := &reader{ssetest.New(z), r.T, resp.Body}
	if e := s.next(); e.Type != "join" {
		r.Fatalf("the first event is %+v", e)
	}
	return s, raw
}

// bufferless lets a decoder read single bytes, so that it reads no byte before it needs it.
type bufferless struct{ io.Reader }

func (b bufferless) ReadByte() (byte, error) {
	var one [1]byte
	_, err := io.ReadFull(b.Reader, one[:])
	return one[0], err
}

// chat is a message as applications send it.
func chat(i int) string {
	return fmt.Sprintf(`{"id":%d,"from":"alice","text":"Hello, everyone! How are you today? This is message %d.","at":"2026-11-29T20:07:%02dZ"}`, 1000+i, i, i%60)
}

// clause 10.12: each event arrives whole before the server sends anything else, and refers to the one
// before it, unless something else came between them.
func TestACompressedStream(t *testing.T) {
	for _, k := range []kind{overSocket, overTLS, overHTTP2} {
		t.Run(string(k), func(t *testing.T) {
			n := new(Counters)
			r := newRig(t, k, boreas.Options{}, Options{Counters: n})
			id := func(p engine.Position) string { return idOf([]string{"news"}, p) }
			missed := []engine.Position{r.publish("news", chat(0)), r.publish("news", chat(1))}
			s, raw := r.zippedStream("?channel=news&last=2&presence=false")
			other, _ := r.zippedStream("?channel=news") // gets the same bytes
			for i, p := range missed {
				s.want(message(id(p), "news", chat(i), p))
			}
			var sizes []int64
			for i := 2; i < 20; i++ {
				if i == 10 {
					r.hub.RevokeSessions(func(*access.Grant) bool { return true }, time.Hour)
					for _, reader := range []*reader{s, other} {
						if e := reader.next(); e.Type != "expiring" {
							t.Fatalf("got %+v", e)
						}
					}
				}
				before := raw.n.Load()
				p := r.publish("news", chat(i))
				for _, reader := range []*reader{s, other} {
					reader.want(message(id(p), "news", chat(i), p))
				}
				sizes = append(sizes, raw.n.Load()-before)
			}
			for i, size := range sizes[1:] {
				alone := i+3 == 10 // after the notice
				if small := size < 90; small == alone {
					t.Errorf("message %d took %d bytes: %d", i+3, size, sizes)
				}
			}
			event := len(message(id(missed[0]), "news", chat(0), missed[0]).Data)
			if from, to := n.CompressedFrom.Load(), n.CompressedTo.Load(); from > uint64(24*(event+100)) || to > from/2 {
				t.Errorf("%d bytes became %d: want the events of 20 messages, each of them compressed once or twice", from, to)
			}
		})
	}
}

// Messages below the limit are stored blocks.
func TestShortEventsAreStored(t *testing.T) {
	n := new(Counters)
	r := newRig(t, overSocket, boreas.Options{}, Options{Counters: n, CompressionMin: 1000})
	s, raw := r.zippedStream("?channel=a")
	id := func(p engine.Position) string { return idOf([]string{"a"}, p) }
	big := strings.Repeat("0123456789", 7000) // more than one stored block has
	for _, data := range []string{"1", chat(1), `"` + big + `"`, chat(2)} {
		before := raw.n.Load()
		p := r.publish("a", data)
		s.want(message(id(p), "a", data, p))
		if took := raw.n.Load() - before; (len(data) < 1000) != (took > int64(len(data))) {
			t.Errorf("%d bytes took %d", len(data), took)
		}
	}
	if from := n.CompressedFrom.Load(); from < 70_000 || from > 70_200 {
		t.Errorf("%d bytes were compressed", from)
	}
}

func TestWhichStreamsAreCompressed(t *testing.T) {
	for _, test := range []struct {
		o             Options
		query, accept string
		want          string
	}{
		{Options{}, "?channel=a", "gzip", "gzip Accept-Encoding"},
		{Options{}, "?channel=a&channel=a", "gzip, deflate, br, zstd", "gzip Accept-Encoding"},
		{Options{}, "?channel=a", "*", "gzip Accept-Encoding"},
		{Options{}, "?channel=a&channel=b", "gzip", " Accept-Encoding"},
		{Options{}, "?channel=a", "gzip;q=0, *", " Accept-Encoding"},
		{Options{}, "?channel=a", "identity", " Accept-Encoding"},
		{Options{}, "?channel=a", "", " Accept-Encoding"},
		{Options{NoCompression: true}, "?channel=a", "gzip", " "},
		{Options{}, "?channel=%00", "gzip", " "}, // a refusal
	} {
		r := newRig(t, overSocket, boreas.Options{}, test.o)
		resp := r.ask("GET", test.query+"&access_token=valid", "Accept-Encoding", test.accept)
		if got := resp.Header.Get("Content-Encoding") + " " + resp.Header.Get("Vary"); got != test.want {
			t.Errorf("%s, %q: got %q, want %q", test.query, test.accept, got, test.want)
		}
	}
}

// Everything that the format appends is in the compressed stream.
func TestCompressedFormat(t *testing.T) {
	f := compressed{single{check: 7}, &compression{100, new(Counters)}}
	plain := f.single
	long := func(offset uint64) *engine.Publication {
		return &engine.Publication{Offset: offset, Data: []byte(chat(int(offset)))}
	}
	short := &engine.Publication{Offset: 9, Data: []byte("1")}
	gap := boreas.Gap{Reason: boreas.GapSlow, From: engine.Position{Epoch: 2, Offset: 1}, To: engine.Position{Epoch: 2, Offset: 5}}
	at := time.Unix(1, 0)
	zipped := []byte(coding.GzipHeader)
	var want []byte
	both := func(part func(dst []byte, f boreas.NoticeFormat) []byte) {
		zipped, want = part(zipped, f), part(want, plain)
	}
	both(func(dst []byte, f boreas.NoticeFormat) []byte { return f.AppendPing(dst) })
	both(func(dst []byte, f boreas.NoticeFormat) []byte { return f.AppendPublication(dst, "a", 2, long(1)) })
	both(func(dst []byte, f boreas.NoticeFormat) []byte { return f.AppendGap(dst, "a", gap) })
	both(func(dst []byte, f boreas.NoticeFormat) []byte { return f.AppendPresence(dst, "a", []byte(`{"x":1}`)) })
	both(func(dst []byte, f boreas.NoticeFormat) []byte { return f.AppendExpiring(dst, at, time.Hour) })
	both(func(dst []byte, f boreas.NoticeFormat) []byte { return f.AppendGoodbye(dst, boreas.ErrSlow, time.Hour) })
	for _, step := range []struct {
		p, prev    *engine.Publication
		compressed bool
	}{{long(2), nil, true}, {long(3), long(2), true}, {long(4), long(3), true}, {short, long(4), false}, {long(10), nil, true}} {
		start := len(zipped)
		var compressed bool
		zipped, compressed = f.AppendCompressed(zipped, "a", 2, step.p, step.prev)
		again, _ := f.AppendCompressed(nil, "a", 2, step.p, step.prev)
		if compressed != step.compressed || !bytes.Equal(again, zipped[start:]) {
			t.Errorf("offset %d: compressed is %t, and the second time %q", step.p.Offset, compressed, again)
		}
		want = plain.AppendPublication(want, "a", 2, step.p)
	}
	both(func(dst []byte, f boreas.NoticeFormat) []byte { return f.AppendEnd(dst, boreas.ErrTerminated) })
	z, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(z)
	if err != io.ErrUnexpectedEOF { // it has no trailer
		t.Errorf("at the end: %v", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !f.WholeStream() {
		t.Error("a decoder of the stream takes in everything")
	}
}
