package disk

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// records returns the records of a small segment.
func records() []byte {
	b := appendMark(nil, mark{time: 1, synced: headerSize})
	b = appendDefine(b, 1, "a")
	b = appendMessage(b, 1, &engine.Publication{Offset: 1, Time: 2, Data: []byte("one")}, "")
	b = appendMessage(b, 1, &engine.Publication{Offset: 2, Time: 3, Sender: 4, Data: []byte("two")}, "key")
	return appendEnd(b)
}

// FuzzRecord parses records. A parsed record must give the same bytes when it is written again.
func FuzzRecord(f *testing.F) {
	for b := records(); len(b) > 0; {
		_, _, n, err := parseRecord(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[8], b[recordHead:n])
		b = b[n:]
	}
	purge := appendPurge(nil, 1, 2)
	f.Add(purge[8], purge[recordHead:])
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		b := finishRecord(append(beginRecord(nil, kind), body...), 0)
		k, parsed, n, err := parseRecord(append(b, 1, 2, 3))
		if k != kind || !bytes.Equal(parsed, body) || n != len(b) || err != nil {
			t.Fatalf("got kind %d, %x, %d bytes, %v", k, parsed, n, err)
		}
		var again []byte
		switch kind {
		case markRecord:
			m, err := parseMark(body)
			if err != nil {
				return
			}
			again = appendMark(nil, m)
		case defineRecord:
			number, name, err := parseDefine(body)
			if err != nil {
				return
			}
			again = appendDefine(nil, number, string(name))
		case purgeRecord:
			number, offset, err := parsePurge(body)
			if err != nil {
				return
			}
			again = appendPurge(nil, number, offset)
		case messageRecord:
			m, err := parseMessage(body)
			if err != nil {
				return
			}
			again = appendMessage(nil, m.number, &engine.Publication{Offset: m.offset, Time: m.time, Sender: m.sender, Data: m.data}, string(m.key))
		default:
			return
		}
		_, second, _, err := parseRecord(again)
		if err != nil {
			t.Fatal(err)
		}
		// A number may be written in more bytes than it needs, and a field that is empty may be left out.
		if len(second) > len(body) || len(second) == len(body) && !bytes.Equal(second, body) {
			t.Fatalf("%x was parsed as %x", body, second)
		}
	})
}

func FuzzHeader(f *testing.F) {
	h := header{version: formatVersion, flags: 1, number: 2, epoch: 3, epochBefore: 4, life: 5, limit: 6, base: 7, span: 8, note: note{9, 10, 11}}
	f.Add(h.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHeader(b)
		if err != nil {
			return
		}
		again, err := parseHeader(h.append(nil))
		if diff := cmp.Diff(h, again, cmp.AllowUnexported(header{}, note{})); diff != "" || err != nil {
			t.Fatalf("%v, %s", err, diff)
		}
	})
}

// FuzzScan scans segments, as the last one and as another one. It must not fail in any other way than
// with an error, and what it finds must be in the file.
func FuzzScan(f *testing.F) {
	f.Add(records(), true)
	f.Add(append(records(), make([]byte, 100)...), false)
	f.Add(append(records(), records()[:20]...), true)
	f.Fuzz(func(t *testing.T, b []byte, last bool) {
		h := header{version: formatVersion, number: 1, epoch: 1, epochBefore: 1}
		file := append(h.append(nil), sealed(b)...)
		r := &scanner{path: "x.log", file: bytes.NewReader(file), size: int64(len(file)), last: last, now: currentTime()}
		s, err := r.scan()
		if err != nil {
			if _, is := asDamage(err); !is {
				t.Fatal(err)
			}
			return
		}
		if s.end < headerSize || s.end+s.torn > int64(len(file)) || !last && !s.ended {
			t.Fatalf("the end is %d of %d bytes, and %d are torn", s.end, len(file), s.torn)
		}
		for _, c := range s.channels {
			for i, a := range c.addresses {
				kind, body, _, err := parseRecord(file[placeOf(a):s.end])
				if err != nil || kind != messageRecord {
					t.Fatalf("at %d: kind %d, %v", placeOf(a), kind, err)
				}
				if m, err := parseMessage(body); err != nil || m.offset != c.first+uint64(i) {
					t.Fatalf("at %d: offset %d, %v; want %d", placeOf(a), m.offset, err, c.first+uint64(i))
				}
			}
		}
	})
}

// sealed gives each record of some bytes its checksum, as far as its length makes sense, so that the
// fuzzer gets past the checksums.
func sealed(b []byte) []byte {
	b = bytes.Clone(b)
	for at := 0; at+recordHead <= len(b); {
		size := int(order.Uint32(b[at+4:]) % 300)
		if size == 0 || at+8+size > len(b) {
			break
		}
		order.PutUint32(b[at+4:], uint32(size))
		finishRecord(b[at:at+8+size], 0)
		at += 8 + size
	}
	return b
}
