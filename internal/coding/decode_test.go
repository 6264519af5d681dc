package coding

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var all = []Coding{Gzip, Deflate}

// encoded returns a body as other programs encode it.
func encoded(t testing.TB, c Coding, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch c {
	case Gzip:
		w = gzip.NewWriter(&b)
	case Deflate:
		w = zlib.NewWriter(&b)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// decodeAll decodes with a new buffer, and returns the capacities that Decode asked for.
func decodeAll(c Coding, body []byte, limit int) (out []byte, grown []int, err error) {
	var dst bytes.Buffer
	err = c.Decode(&dst, body, limit, func(n int) error { grown = append(grown, n); return nil })
	return dst.Bytes(), grown, err
}

// bodies are contents of many sizes and kinds.
func bodies() map[string][]byte {
	random := make([]byte, 100_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	return map[string][]byte{
		"empty": {}, "one": {'1'}, "JSON": []byte(`{"hello":1}`), "list": list(70_000), "random": random,
		"zeros": make([]byte, 1<<20), "long": list(1 << 20),
	}
}

func TestDecode(t *testing.T) {
	for name, body := range bodies() {
		for _, c := range all {
			wire := encoded(t, c, body)
			for _, limit := range []int{len(body), len(body) + 1, 4 << 20} {
				got, grown, err := decodeAll(c, wire, limit)
				if err != nil || !bytes.Equal(got, body) {
					t.Errorf("%s, %s, limit %d: %d bytes, %v", name, c, limit, len(got), err)
				}
				for _, n := range grown {
					if n > limit {
						t.Errorf("%s, %s, limit %d: it asked for %d bytes", name, c, limit, n)
					}
				}
			}
			if len(body) == 0 {
				continue
			}
			for _, limit := range []int{len(body) - 1, len(body) / 2, 1} {
				if limit >= len(body) {
					continue
				}
				if _, _, err := decodeAll(c, wire, limit); err != ErrTooLarge { //nolint:errorlint // the exact one
					t.Errorf("%s, %s, limit %d: got %v, want ErrTooLarge", name, c, limit, err)
				}
			}
		}
	}
}

// TestDecodeMembers decodes bodies of several parts, as `cat a.gz b.gz` makes them.
func TestDecodeMembers(t *testing.T) {
	big := list(300_000)
	wire := slices.Concat(encoded(t, Gzip, []byte("one ")), encoded(t, Gzip, nil), encoded(t, Gzip, big), encoded(t, Gzip, []byte(" end")))
	got, _, err := decodeAll(Gzip, wire, len(big)+8)
	if diff := cmp.Diff("one "+string(big)+" end", string(got)); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%.500s", err, diff)
	}
	if _, _, err := decodeAll(Gzip, wire, len(big)+7); err != ErrTooLarge { //nolint:errorlint // the exact one
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

func TestDecodeDamaged(t *testing.T) {
	body := list(5000)
	for _, c := range all {
		wire := encoded(t, c, body)
		early := "The body is not valid " + string(c) + ": it ends early."
		other := "The body is not valid " + string(c) + ": it is damaged, has another format, or is followed by other bytes."
		for n := range len(wire) {
			_, _, err := decodeAll(c, wire[:n], 1<<20)
			if damaged := (*DamagedError)(nil); !errors.As(err, &damaged) || err.Error() != early {
				t.Fatalf("%s: the first %d of %d bytes: %v", c, n, len(wire), err)
			}
		}
		for _, tail := range []string{"\x00", "x", "\r\n", string(make([]byte, 1000)), `{"hello":1}`} {
			_, _, err := decodeAll(c, append(slices.Clone(wire), tail...), 1<<20)
			if damaged := (*DamagedError)(nil); !errors.As(err, &damaged) {
				t.Errorf("%s with %.10q at the end: %v", c, tail, err)
			}
		}
		bad := slices.Clone(wire)
		bad[len(bad)-1] ^= 1 // of the checksum
		for name, data := range map[string][]byte{"checksum": bad, "plain": body} {
			if _, _, err := decodeAll(c, data, 1<<20); err == nil || err.Error() != other {
				t.Errorf("%s, %s: got %v", c, name, err)
			}
		}
	}
	// RFC 9110 defines deflate with the header of zlib.
	if _, _, err := decodeAll(Deflate, encoded(t, Deflate, body)[2:], 1<<20); err == nil {
		t.Error("accepted deflate without a header")
	}
}

// TestDecodeBomb decodes small bodies with a huge result.
func TestDecodeBomb(t *testing.T) {
	const limit = 256 << 10
	for _, c := range all {
		wire := encoded(t, c, make([]byte, 8<<20))
		decodeAll(c, encoded(t, c, []byte("1")), limit) // fills the pool
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, grown, err := decodeAll(c, wire, limit)
		runtime.ReadMemStats(&after)
		if err != ErrTooLarge { //nolint:errorlint // the exact one
			t.Errorf("%s: got %v, want ErrTooLarge", c, err)
		}
		if len(grown) == 0 || slices.Max(grown) > limit {
			t.Errorf("%s: it asked for %d bytes", c, grown)
		}
		// All attempts together. The race detector allocates each buffer twice.
		if n := after.TotalAlloc - before.TotalAlloc; n > 16*limit {
			t.Errorf("%s: %d bytes were allocated", c, n)
		}
	}
}

func TestDecodeWithoutRoom(t *testing.T) {
	full := errors.New("full")
	for _, c := range all {
		wire := encoded(t, c, make([]byte, 1<<20))
		var dst bytes.Buffer
		calls := 0
		err := c.Decode(&dst, wire, 2<<20, func(int) error {
			if calls++; calls == 2 {
				return full
			}
			return nil
		})
		if err != full || dst.Len() > 0 { //nolint:errorlint // the exact one
			t.Errorf("%s: got %v and %d bytes", c, err, dst.Len())
		}
	}
}

func TestEncodeGzip(t *testing.T) {
	for name, body := range bodies() {
		out, smaller := EncodeGzip(body)
		if smaller != (len(out) < len(body)) || smaller != (len(body) > 100 && name != "random") {
			t.Errorf("%s: smaller is %t: %d bytes of %d", name, smaller, len(out), len(body))
		}
		got, _, err := decodeAll(Gzip, out, 1<<21)
		if len(body) > 0 && (err != nil || !bytes.Equal(got, body)) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if again, _ := EncodeGzip(body); !bytes.Equal(again, out) {
			t.Errorf("%s: another result", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range all {
		for _, body := range []string{"", `{"hello":1}`, strings.Repeat("x", 9000)} {
			f.Add(encoded(f, c, []byte(body)))
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		const limit = 8 << 10
		for _, c := range all {
			got, grown, err := decodeAll(c, wire, limit)
			if len(got) > limit || err != nil && len(got) > 0 || len(grown) > 0 && slices.Max(grown) > limit {
				t.Fatalf("%s: %d bytes, grown to %d, %v", c, len(got), grown, err)
			}
			if err != nil && !errors.Is(err, ErrTooLarge) && !errors.As(err, new(*DamagedError)) {
				t.Fatalf("%s: the error %v", c, err)
			}
			if twice, _, err2 := decodeAll(c, wire, limit); !bytes.Equal(twice, got) || (err == nil) != (err2 == nil) {
				t.Fatalf("%s: another result with a used decoder", c)
			}
		}
	})
}
