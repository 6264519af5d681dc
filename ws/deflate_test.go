package ws

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// TestPublications lists when a publication is compressed, and when it refers to the one before it.
func TestPublications(t *testing.T) {
	const plain, alone, after = "plain", "alone", "after another"
	for _, c := range []struct {
		bits       uint8
		context    bool
		min        int
		prev, size int
		want       string
	}{
		{15, true, 1, 300, 300, after},
		{15, false, 1, 300, 300, alone},
		{15, true, 1, 0, 300, alone},
		{15, true, 500, 300, 300, plain},
		{15, true, 1, 300, 1, after},
		{15, true, 1, 0, 1, plain}, // compression would make it longer
		{15, true, 1, 8000, 1000, after},
		{15, true, 1, 9000, 1000, alone}, // too much to refer to
		{15, true, 1, 8000, 20_000, after},
		{15, true, 1, 8000, 25_000, alone}, // together they do not fit into the window
		{10, true, 1, 300, 300, after},
		{10, true, 1, 600, 600, alone},
		{9, true, 1, 150, 150, after},
		{10, true, 1, 0, 5000, alone},
	} {
		pub := func(n, size int) *engine.Publication {
			if size < 2 {
				return &engine.Publication{Data: []byte("0"), Offset: 9}
			}
			return &engine.Publication{Data: []byte(story(n, size)), Offset: uint64(n)}
		}
		p := pub(2, c.size)
		var prev *engine.Publication
		if c.prev > 0 {
			prev = pub(1, c.prev)
		}
		for name, d := range map[string]dialect{"classic": classicDialect{}, "protocol 2": v2Dialect{}} {
			f := d.format(&publications{c.bits, c.context, c.min, new(Counters)}).(boreas.CompressedFormat)
			uncompressed := f.AppendPublication([]byte("before"), "chat.a", 1, p)
			onlyIt, _ := f.AppendCompressed([]byte("before"), "chat.a", 1, p, nil)
			got, compressed := f.AppendCompressed([]byte("before"), "chat.a", 1, p, prev)
			said := after
			switch {
			case bytes.Equal(got, uncompressed):
				said = plain
			case bytes.Equal(got, onlyIt):
				said = alone
			}
			if said != c.want || compressed != (said != plain) || len(got) > len(uncompressed) || !bytes.HasPrefix(got, []byte("before")) {
				t.Errorf("%s, %+v: %s, compressed: %v, %d of %d bytes", name, c, said, compressed, len(got), len(uncompressed))
			}
			again, _ := f.AppendCompressed([]byte("before"), "chat.a", 1, p, prev)
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("%s, %+v: the second time it is different: %s", name, c, diff)
			}
		}
	}
}

// Sessions share encodings if their formats are equal, so a handler makes each format once.
func TestFormatsAreShared(t *testing.T) {
	h := newFormats(v2Dialect{}, 100, new(Counters))
	seen := map[boreas.Format]string{}
	for _, offer := range offers() {
		_, agreed := negotiate([]string{offer})
		f := h.of(agreed)
		key := fmt.Sprint(agreed.bits, agreed.context)
		if known, ok := seen[f]; ok && known != key {
			t.Errorf("%s has the format of %s", key, known)
		}
		seen[f] = key
	}
	if len(seen) != 16 || h.of(compression{}) != (v2Format{}) {
		t.Errorf("%d formats, want 16", len(seen))
	}
}

func BenchmarkPublications(b *testing.B) {
	for _, size := range []int{50, 300, 2000} {
		for _, context := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d bytes, context=%v", size, context), func(b *testing.B) {
				f := v2Deflate{v2Format{}, &publications{15, context, 1, new(Counters)}}
				var pubs []*engine.Publication
				for n := range 100 {
					pubs = append(pubs, &engine.Publication{Data: []byte(story(n, size)), Offset: uint64(1000 + n)})
				}
				b.ReportAllocs()
				var dst []byte
				n, plain, compressed := 1, 0, 0
				for b.Loop() {
					i := 1 + n%(len(pubs)-1)
					dst, _ = f.AppendCompressed(dst[:0], "chat.room.12", 1, pubs[i], pubs[i-1])
					compressed += len(dst)
					plain += len(pubs[i].Data)
					n++
				}
				b.ReportMetric(float64(plain)/float64(n), "B/payload")
				b.ReportMetric(float64(compressed)/float64(n), "B/frame")
			})
		}
	}
}
