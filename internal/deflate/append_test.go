package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// frames returns n texts of about the given size, as a server sends them one after the other.
func frames(n, size int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("order filled pending hello how are you price trade volume bid ask the server update client")
	list := make([][]byte, n)
	for i := range list {
		var text strings.Builder
		for text.Len() < size-230 {
			text.WriteString(words[r.IntN(len(words))] + " ")
		}
		list[i] = fmt.Appendf(nil, `{"channel":"room-12","message":{"id":"%08x-%04x","user":"user-%d","name":"Ada Lovelace","time":"2026-11-29T22:%02d:%02d.%03dZ","price":%d.%02d,"kind":"message","text":"%s"},"position":"3fa1c2d9e07b55aa-%d"}`,
			r.Uint32(), r.IntN(1<<16), r.IntN(1000), r.IntN(60), r.IntN(60), r.IntN(1000), r.IntN(100_000), r.IntN(100), text.String(), 100_000+i)
	}
	return list
}

// standard decompresses p with Go's library.
func standard(t *testing.T, p, dict []byte) []byte {
	t.Helper()
	b, err := io.ReadAll(flate.NewReaderDict(bytes.NewReader(append(bytes.Clone(p), lastBlock...)), dict))
	if err != nil {
		t.Fatalf("Go's library refuses the data: %v", err)
	}
	return b
}

// lastBlock is an empty last block.
const lastBlock = "\x01\x00\x00\xff\xff"

// farthest returns the longest distance in a message.
func farthest(t *testing.T, p, window []byte) int {
	t.Helper()
	f := reference{in: p, window: window, limit: 1 << 30, discard: true}
	most := 0
	for f.pos-int(f.n/8) < len(p)+len(Tail) {
		f.fill()
		f.take(1)
		l, d := &f.literals, &f.distances
		switch f.take(2) {
		case 0:
			if err := f.stored(); err != nil {
				t.Fatal(err)
			}
			continue
		case 1:
			l, d = &fixedCodes().literals, &fixedCodes().distances
		case 2:
			if err := f.readCodes(); err != nil {
				t.Fatal(err)
			}
		}
		for {
			f.fill()
			symbol := f.symbol(l)
			if symbol == endOfBlock {
				break
			}
			if symbol > endOfBlock {
				f.extra(lengths[:], symbol-endOfBlock-1)
				distance, _ := f.extra(offsets[:], f.symbol(d))
				most = max(most, distance)
			}
		}
	}
	return most
}

func TestAppend(t *testing.T) {
	for _, size := range []int{0, 1, 50, 300, 2_000, 5_000, 40_000, 200_000} {
		list := frames(2, max(size, 230))
		dict, p := list[0], list[1]
		if size < 230 {
			dict, p = dict[:size], p[:size]
		}
		for bits := 8; bits <= 15; bits++ {
			window := 1 << bits
			for _, dict := range [][]byte{nil, dict[:min(len(dict), 8<<10)]} {
				t.Run(fmt.Sprintf("%d bytes, window %d, dictionary %d", len(p), window, len(dict)), func(t *testing.T) {
					prefix := []byte("before")
					got := Append(prefix, p, dict, window)
					if !bytes.HasPrefix(got, prefix) || !bytes.HasSuffix(got, []byte(Tail)) {
						t.Fatalf("the result begins with %q and ends with %q", got[:6], got[len(got)-4:])
					}
					got = got[len(prefix):]
					if diff := cmp.Diff(string(p), string(standard(t, got, dict))); diff != "" {
						t.Error(diff)
					}
					message := got[:len(got)-len(Tail)]
					back, err := Inflate([]byte("before"), message, dict, len(p))
					if diff := cmp.Diff("before"+string(p), string(back)); diff != "" || err != nil {
						t.Error(err, diff)
					}
					if n := farthest(t, message, dict); n > window {
						t.Errorf("the message refers %d bytes back", n)
					}
					if dict != nil && len(p) > 100 && len(p) < 3000 && len(p)+len(dict) < window && len(got) > len(Append(nil, p, nil, window))*3/4 {
						t.Errorf("the dictionary makes the message hardly shorter: %d bytes", len(got))
					}
				})
			}
		}
	}
}

// The result must not depend on what the compressor has compressed before.
func TestAppendIsDeterministic(t *testing.T) {
	list := frames(50, 2000)
	results := make([][]byte, len(list))
	for i, p := range list {
		results[i] = Append(nil, p, list[max(0, i-1)], 4096)
	}
	for range 20 {
		for _, i := range rand.Perm(len(list)) {
			if got := Append(nil, list[i], list[max(0, i-1)], 4096); !bytes.Equal(got, results[i]) {
				t.Fatalf("frame %d has another result", i)
			}
		}
	}
}

func TestAppendStored(t *testing.T) {
	for _, n := range []int{0, 1, 1<<16 - 1, 1 << 16, 200_000} {
		p := bytes.Repeat([]byte("x"), n)
		got := AppendStored([]byte("before"), p)
		if !bytes.Equal(standard(t, got[6:], nil), p) {
			t.Errorf("%d bytes are different after decompression", n)
		}
		if most := n + 5*(n/(1<<16-1)+1) + 6; len(got) > most {
			t.Errorf("%d bytes become %d", n, len(got))
		}
	}
}

// Many callers share few compressors.
func TestCompressorsAreBounded(t *testing.T) {
	s := pool[*compressor]{make: newCompressor}
	c := s.get()
	limit := s.more + 1
	taken := []*compressor{c}
	for range limit - 1 {
		taken = append(taken, s.get())
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { s.put(s.get()) })
	}
	for _, c := range taken {
		s.put(c)
	}
	wg.Wait()
	if got := len(s.free); got != limit || s.more != 0 {
		t.Errorf("%d compressors are free, and %d may be made, want %d and 0", got, s.more, limit)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{200, 380, 2000} {
		list := frames(1000, size)
		for _, context := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d bytes, dictionary=%v", size, context), func(b *testing.B) {
				b.ReportAllocs()
				var dst []byte
				n, written := 0, 0
				for b.Loop() {
					var dict []byte
					if i := n % len(list); context && i > 0 {
						dict = list[i-1]
					}
					dst = Append(dst[:0], list[n%len(list)], dict, MaxWindow)
					written += len(dst)
					n++
				}
				b.ReportMetric(float64(written)/float64(n), "B/frame")
			})
		}
	}
}

func BenchmarkInflate(b *testing.B) {
	for _, size := range []int{380, 2000} {
		p := frames(1, size)[0]
		message := Append(nil, p, nil, MaxWindow)
		message = message[:len(message)-len(Tail)]
		b.Run(fmt.Sprintf("%d bytes", size), func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = Inflate(dst[:0], message, nil, 1<<20)
			}
		})
	}
}
