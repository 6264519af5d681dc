package load

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"
)

func TestMarkIsFoundInMessage(t *testing.T) {
	text, at := payload("cafe0123", 100)
	want := mark{publisher: 0xabc, channel: 65535, number: 1<<32 - 1, time: maxTime}
	want.put(text[at:])
	const whole = `{"bench":"cafe0123.0abc.ffff.ffffffff.ffffffffffff","pad":"` + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" + `"}`
	if diff := cmp.Diff(whole, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f := finder{prefix: []byte("cafe0123.")}
	for _, around := range []string{`{"message": %s, "channel": "c"}`, `{"message":%s}`, `%s`, `{"channel": "cafe0123", "message": %s}`} {
		if got, ok := f.find(fmt.Appendf(nil, around, text)); !ok || got != want {
			t.Errorf("in %s: found %+v, %v", around, got, ok)
		}
	}
	for _, not := range []string{"", "cafe0123.", "beef0123" + whole[18:], strings.Replace(whole, ".0abc", ".0xyz", 1)} {
		if got, ok := f.find([]byte(not)); ok {
			t.Errorf("in %q: found %+v", not, got)
		}
	}
}

func TestFramesInPieces(t *testing.T) {
	var sent bytes.Buffer
	var want []string
	for _, n := range []int{0, 1, 125, 126, 5000, 65535, 65536, 70000} {
		text := strings.Repeat("x", n)
		if err := ws.WriteFrame(&sent, ws.NewTextFrame([]byte(text))); err != nil {
			t.Fatal(err)
		}
		want = append(want, text)
	}
	for _, step := range []int{61, 4096, 4099, 1 << 20} {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			for rest := sent.Bytes(); len(rest) > 0; {
				n := min(step, len(rest))
				if _, err := there.Write(rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
		}()
		s := subscriber{conn: here, buffer: make([]byte, minBuffer)}
		var got []string
		var err error
		for err == nil {
			err = s.fill(func(_ ws.OpCode, payload []byte) error { got = append(got, string(payload)); return nil })
		}
		here.Close()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("in steps of %d: (-want +got):\n%.2000s", step, diff)
		}
	}
}

func TestPingsAreAnswered(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	s := subscriber{conn: here, buffer: make([]byte, minBuffer)}
	ended := make(chan error, 1)
	go func() {
		defer here.Close()
		var err error
		for err == nil {
			err = s.fill(s.control)
		}
		ended <- err
	}()
	if err := ws.WriteFrame(there, ws.NewPingFrame([]byte("there?"))); err != nil {
		t.Fatal(err)
	}
	header, err := ws.ReadHeader(there)
	if err != nil {
		t.Fatal(err)
	}
	text := make([]byte, len("there?"))
	if _, err := io.ReadFull(there, text); err != nil {
		t.Fatal(err)
	}
	ws.Cipher(text, header.Mask, 0)
	if header.OpCode != ws.OpPong || header.Length != int64(len(text)) || !header.Masked || string(text) != "there?" {
		t.Errorf("the answer is %+v %q", header, text)
	}
	if err := ws.WriteFrame(there, ws.NewCloseFrame(ws.NewCloseFrameBody(1001, "bye"))); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || err.Error() != "closed by the server with 1001 bye" {
		t.Errorf("a close frame gave %v", err)
	}
}

func TestInvalidFrames(t *testing.T) {
	for name, data := range map[string][]byte{
		"masked": {0x81, 0x80, 0, 0, 0, 0}, "reserved bits": {0xC1, 0x00}, "far too long": {0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"longer than a number": {0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if _, _, used, _, err := nextFrame(data); err == nil || used != 0 {
			t.Errorf("%s: accepted, %d bytes", name, used)
		}
	}
}

func TestStreamTellsLateFromRepeated(t *testing.T) {
	for name, c := range map[string]struct {
		numbers  []uint32
		received uint32
		want     tally
	}{
		"in order":        {[]uint32{1, 2, 3}, 3, tally{}},
		"begins late":     {[]uint32{100, 101}, 2, tally{}},
		"a gap":           {[]uint32{1, 3, 200}, 3, tally{}},
		"late":            {[]uint32{1, 3, 2, 4}, 4, tally{outOfOrder: 1}},
		"just in reach":   {[]uint32{1, 2, 66, 3}, 4, tally{outOfOrder: 1}},
		"out of reach":    {[]uint32{1, 66, 2}, 2, tally{repeated: 1}},
		"repeated":        {[]uint32{1, 2, 2, 1}, 2, tally{repeated: 2}},
		"late, and again": {[]uint32{1, 3, 2, 2}, 3, tally{outOfOrder: 1, repeated: 1}},
		"before a gap":    {[]uint32{1, 3, 6, 1}, 3, tally{repeated: 1}},
		"the first again": {[]uint32{1, 65, 1}, 2, tally{repeated: 1}},
	} {
		var s stream
		var got tally
		for _, n := range c.numbers {
			s.note(n, &got)
		}
		if s.received != c.received || got != c.want {
			t.Errorf("%s: received %d, %+v; want %d, %+v", name, s.received, got, c.received, c.want)
		}
	}
}

func TestHistogramError(t *testing.T) {
	var h, half histogram
	for i := 1; i <= 100_000; i++ {
		h.record(time.Duration(i) * time.Microsecond)
	}
	for _, share := range []float64{0.5, 0.9, 0.99, 0.999, 1} {
		want := share * 100_000 * float64(time.Microsecond)
		if got := float64(h.percentile(share)); got < want || got > want*(1+1.0/64) {
			t.Errorf("percentile %v: %v, want %v and no more than 1/64 over", share, time.Duration(got), time.Duration(want))
		}
	}
	half.record(time.Hour)
	if h.merge(&half); h.max != time.Hour || h.percentile(1) != time.Hour || h.total != 100_001 {
		t.Errorf("merged: max %v, all %v, total %d", h.max, h.percentile(1), h.total)
	}
	if got := (&histogram{}).percentile(0.5); got != 0 {
		t.Errorf("percentile of no times: %v", got)
	}
	for _, d := range []time.Duration{-1, 0, 1, 63, 64, 127, 128, 1<<62 + 1, 1<<63 - 1} {
		if b := bucket(d); d > upper(b) || (b > 0 && d <= upper(b-1)) {
			t.Errorf("%d falls into bucket %d, which holds %d to %d", d, b, upper(b-1)+1, upper(b))
		}
	}
}

func TestAnswersAreRead(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":                                 "200 <nil>",
		"HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\nhello":                   "400 <nil>",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n": "200 <nil>",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n":            "200 the server closes the connection after each answer",
		"SSH-2.0-OpenSSH\r\n":                             "0 the server's answer is not HTTP/1.1",
		"HTTP/1.1 2x0 OK\r\n":                             "0 the server's answer is not HTTP/1.1",
		"HTTP/1.1 200 OK\r\nContent-Length: much\r\n\r\n": "0 the server's answer is not HTTP/1.1",
		"": "0 EOF",
	} {
		in := bufio.NewReader(strings.NewReader(answer + answer))
		for range 2 {
			status, err := readAnswer(in)
			if got := fmt.Sprint(status, " ", err); got != want {
				t.Errorf("%q: %s, want %s", answer, got, want)
			}
			if err != nil {
				break
			}
		}
	}
}

// BenchmarkFollow measures how many deliveries per second the tool can follow. The frames come over
// a loopback socket from a sender that does nothing else.
func BenchmarkFollow(b *testing.B) {
	text, at := payload("cafe0123", 100)
	const batch = 500
	var frames bytes.Buffer
	for i := range batch {
		mark{number: uint32(i + 1)}.put(text[at:])
		if err := ws.WriteFrame(&frames, ws.NewTextFrame(fmt.Appendf(nil, `{"message": %s, "channel": "bench"}`, text))); err != nil {
			b.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	there, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	here, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer here.Close()
	rounds := b.N/batch + 1
	go func() {
		defer there.Close()
		for range rounds {
			if _, err := there.Write(frames.Bytes()); err != nil {
				return
			}
		}
	}()
	s := subscriber{conn: here, buffer: make([]byte, maxBuffer), find: finder{prefix: []byte("cafe0123.")}, shard: &shard{}, ledger: newLedger(0, 1, 1, 1)}
	began, cpu := time.Now(), cpuTime()
	b.ResetTimer()
	s.read(began)
	n := float64(s.shard.deliveries.Load())
	b.ReportMetric(n/time.Since(began).Seconds(), "deliveries/s")
	b.ReportMetric(float64(cpuTime()-cpu)/n, "cpu-ns/delivery")
}
