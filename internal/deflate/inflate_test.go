package deflate

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
)

func TestInflate(t *testing.T) {
	for name, test := range map[string]struct {
		message, window string
		limit           int
		want            string
		err             error
	}{
		"RFC 7692, 7.2.3.1":                 {message: "\xf2\x48\xcd\xc9\xc9\x07\x00", want: "Hello"},
		"RFC 7692, 7.2.3.2, the same again": {message: "\xf2\x00\x11\x00\x00", window: "Hello", want: "Hello"},
		"RFC 7692, 7.2.3.3, stored":         {message: "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", want: "Hello"},
		"RFC 7692, 7.2.3.4, a final block":  {message: "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", want: "Hello"},
		"RFC 7692, 7.2.3.5, two blocks":     {message: "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", want: "Hello"},
		"a final block, and nothing":        {message: "\xf3\x48\xcd\xc9\xc9\x07\x00", want: "Hello"},
		"two final blocks":                  {message: "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00", want: "HelloHello"},
		"empty":                             {message: "\x00"},
		"not even a block":                  {message: ""},
		"at the limit":                      {message: "\xf2\x48\xcd\xc9\xc9\x07\x00", limit: 5, want: "Hello"},
		"over the limit":                    {message: "\xf2\x48\xcd\xc9\xc9\x07\x00", limit: 4, err: ErrTooBig},
		"a copy over the limit":             {message: "\xf2\x00\x11\x00\x00", window: "Hello", limit: 4, err: ErrTooBig},
		"stored over the limit":             {message: "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", limit: 4, err: ErrTooBig},
		"too far back":                      {message: "\xf2\x00\x11\x00\x00", window: "Hel", err: ErrInvalid},
		"without its last block":            {message: "\xf2\x48\xcd\xc9\xc9\x07", err: ErrInvalid},
		"cut off":                           {message: "\xf2\x48\xcd\xc9", err: ErrInvalid},
		"a block of type 3":                 {message: "\x06\x00", err: ErrInvalid},
		"stored, with another length":       {message: "\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00", err: ErrInvalid},
		"stored, and longer than the data":  {message: "\x00\x06\x00\xf9\xff\x48\x65\x6c\x6c\x6f", err: ErrInvalid},
		"more after the last block":         {message: "\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff", err: ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			if test.limit == 0 {
				test.limit = 100
			}
			got, err := Inflate(nil, []byte(test.message), []byte(test.window), test.limit)
			if err != test.err || err == nil && string(got) != test.want {
				t.Errorf("got %q, %v; want %q, %v", got, err, test.want, test.err)
			}
			n, err := Size([]byte(test.message), []byte(test.window), test.limit)
			if err != test.err || err == nil && n != len(test.want) {
				t.Errorf("Size is %d, %v; want %d, %v", n, err, len(test.want), test.err)
			}
		})
	}
}

// A megabyte of zeros in a kilobyte must not need memory for more than the limit.
func TestBombNeedsLittle(t *testing.T) {
	bomb := Append(nil, make([]byte, 10<<20), nil, MaxWindow)
	bomb = bomb[:len(bomb)-len(Tail)]
	dst := make([]byte, 0, 5000)
	got, err := Inflate(dst, bomb, nil, 4096)
	if err != ErrTooBig || cap(got) != cap(dst) {
		t.Errorf("got %v and room for %d bytes, want %v and %d", err, cap(got), ErrTooBig, cap(dst))
	}
	if n := testing.AllocsPerRun(10, func() {
		Size(bomb, nil, 20<<20)
		Inflate(dst, bomb, nil, 4096)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
	if n, err := Size(bomb, nil, 10<<20); n != 10<<20 || err != nil {
		t.Errorf("Size is %d, %v", n, err)
	}
}

func TestInflateAllLevels(t *testing.T) {
	texts := map[string][]byte{"frames": bytes.Join(frames(300, 380), nil), "one byte": bytes.Repeat([]byte("a"), 100_000)}
	for i := range 70_000 {
		texts["numbers"] = fmt.Appendf(texts["numbers"], "%x", i*i*7919)
	}
	for name, text := range texts {
		for level := flate.HuffmanOnly; level <= 9; level++ {
			var b bytes.Buffer
			w, err := flate.NewWriter(&b, level)
			if err != nil {
				t.Fatal(err)
			}
			w.Write(text)
			w.Flush()
			got, err := Inflate(nil, bytes.TrimSuffix(b.Bytes(), []byte(Tail)), nil, len(text))
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("%s, level %d: %d of %d bytes, %v", name, level, len(got), len(text), err)
			}
		}
	}
}

// FuzzInflate compares with another library.
func FuzzInflate(f *testing.F) {
	for _, p := range frames(3, 380) {
		f.Add(bytes.TrimSuffix(Append(nil, p, nil, MaxWindow), []byte(Tail)), []byte(""))
		f.Add(bytes.TrimSuffix(Append(nil, p, []byte("room-12 Lovelace"), MaxWindow), []byte(Tail)), []byte("room-12 Lovelace"))
	}
	f.Add([]byte("\xf2\x00\x11\x00\x00"), []byte("Hello"))
	f.Add([]byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), []byte(""))
	f.Fuzz(func(t *testing.T, p, window []byte) {
		const limit = 100_000
		got, err := Inflate(nil, p, window, limit)
		if n, serr := Size(p, window, limit); serr != err || err == nil && n != len(got) {
			t.Errorf("Size is %d, %v; Inflate has %d bytes and %v", n, serr, len(got), err)
		}
		if len(got) > limit {
			t.Errorf("%d bytes are over the limit", len(got))
		}
		if len(p) == 0 || len(window) > MaxWindow {
			return
		}
		in := strings.NewReader(string(p) + Tail + lastBlock)
		want, werr := io.ReadAll(io.LimitReader(flate.NewReaderDict(in, window), limit+1))
		if len(want) > limit && werr == nil {
			if err == nil {
				t.Errorf("another library has more than %d bytes, and Inflate %d", limit, len(got))
			}
			return
		}
		if in.Len() > 0 {
			return // there was a final block, after which it stops, or an error
		}
		if werr != nil && err == nil {
			t.Errorf("Inflate has %q, and another library %v", got, werr)
		}
		if werr == nil && err == nil && !bytes.Equal(got, want) {
			t.Errorf("Inflate has %q, and another library %q", got, want)
		}
	})
}

// FuzzAppend decompresses what Append has compressed.
func FuzzAppend(f *testing.F) {
	f.Add([]byte("Hello"), []byte("Hello"), uint8(15))
	f.Add(frames(1, 2000)[0], frames(2, 400)[1], uint8(8))
	f.Fuzz(func(t *testing.T, p, dict []byte, bits uint8) {
		window := 1 << (8 + bits%8)
		message := bytes.TrimSuffix(Append(nil, p, dict, window), []byte(Tail))
		got, err := Inflate(nil, message, dict[max(0, len(dict)-window):], len(p))
		if err != nil || !bytes.Equal(got, p) {
			t.Errorf("got %q, %v", got, err)
		}
		if n := farthest(t, message, dict); n > window {
			t.Errorf("the message refers %d bytes back, further than %d", n, window)
		}
	})
}
