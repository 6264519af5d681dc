package disk

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// hinted returns a file system with sealed segments and their hints, and the path of one.
func hinted(t *testing.T) (*faultFS, string) {
	t.Helper()
	f := newFaultFS(1)
	s := compactSettings(f, Options{KeyWindow: -1}, 4<<10)
	e := openFaulty(t, s)
	publishMany(t, e, 5, 0, 200) // too few channels for sorting
	if _, err := e.Publish(context.Background(), "channel1", engine.Message{Data: bytes.Repeat([]byte("x"), 1<<sizeBits+10)}); err != nil {
		t.Fatal(err)
	}
	publishMany(t, e, 5, 200, 100)
	compactFully(t, e)
	var path string
	for _, s := range e.allSegments() {
		if len(s.large) > 0 {
			path = s.path
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if f.names[hintPath(path)] == nil {
		t.Fatal("there is no hint")
	}
	return f, path
}

func readHintOf(t *testing.T, f *faultFS, path string, window time.Duration) (*scan, bool) {
	t.Helper()
	segment, err := f.Open(path, false)
	if err != nil {
		t.Fatal(err)
	}
	size, err := segment.Size()
	if err != nil {
		t.Fatal(err)
	}
	n := exactTimes
	if window > 0 {
		n = currentTime()
	}
	return readHint(f, path, segment, size, n, clock.Mono(window), new(scanRoom))
}

func TestHintIsTheResultOfAScan(t *testing.T) {
	f, path := hinted(t)
	got, ok := readHintOf(t, f, path, 0)
	if !ok {
		t.Fatal("the hint is not used")
	}
	file, _ := f.Open(path, false)
	want, err := (&scanner{path: path, file: file, size: int64(len(f.names[path].content)), now: exactTimes, window: -1}).scan()
	if err != nil {
		t.Fatal(err)
	}
	if !got.sameContent(want) || got.header != want.header || got.ended != want.ended {
		t.Errorf("%+v, want %+v", got, want)
	}
	if len(want.large) != 1 || len(want.times.entries) < 2 || len(want.channels) != 5 || want.newest == never {
		t.Errorf("%+v shows little", want)
	}
}

// A hint that is not the one of its segment is never used. Each byte is changed, and each length
// tried.
func TestDamagedHintIsIgnored(t *testing.T) {
	f, path := hinted(t)
	hint := f.names[hintPath(path)]
	whole := bytes.Clone(hint.content)
	for i := range whole {
		hint.content = bytes.Clone(whole)
		hint.content[i] ^= 1
		if _, ok := readHintOf(t, f, path, 0); ok {
			t.Fatalf("used with another byte at %d", i)
		}
		hint.content = whole[:i]
		if _, ok := readHintOf(t, f, path, 0); ok {
			t.Fatalf("used with %d bytes", i)
		}
	}
	hint.content = append(bytes.Clone(whole), 0)
	if _, ok := readHintOf(t, f, path, 0); ok {
		t.Fatal("used with one more byte")
	}
	hint.content = whole
	if _, ok := readHintOf(t, f, path, 0); !ok {
		t.Fatal("the whole hint is not used")
	}
	if _, ok := readHintOf(t, f, path, time.Hour); ok {
		t.Fatal("used although keys of the segment are remembered")
	}
}

// The checksum of these hints is right.
func TestForeignHintIsIgnored(t *testing.T) {
	f, path := hinted(t)
	hint := f.names[hintPath(path)]
	file, _ := f.Open(path, false)
	sc, err := (&scanner{path: path, file: file, size: int64(len(f.names[path].content)), now: exactTimes, window: -1}).scan()
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(s *scan){
		"number": func(s *scan) { s.header.number++ },
		"epoch":  func(s *scan) { s.header.epoch++ },
		"before": func(s *scan) { s.header.epochBefore++ },
		"life":   func(s *scan) { s.header.life++ },
		"base":   func(s *scan) { s.header.base++ },
		"span":   func(s *scan) { s.header.span++ },
		"flags":  func(s *scan) { s.header.flags ^= flagRewritten },
		"size":   func(s *scan) { s.size-- },
		"count":  func(s *scan) { s.messages-- },
	} {
		other := *sc
		change(&other)
		hint.content = appendHint(nil, &other)
		if _, ok := readHintOf(t, f, path, 0); ok {
			t.Errorf("used with another %s", what)
		}
	}
	// A note may change after the hint was written.
	other := *sc
	other.header.note = note{1, 2, 3}
	hint.content = appendHint(nil, &other)
	if _, ok := readHintOf(t, f, path, 0); !ok {
		t.Error("not used after a change of the note")
	}
	f.names[path].content[40] ^= 1
	if _, ok := readHintOf(t, f, path, 0); ok {
		t.Error("used with a damaged header of the segment")
	}
}

// A hint that is wrong although its checksum is right is found by a check, and removed.
func TestWrongHintIsFound(t *testing.T) {
	f, path := hinted(t)
	file, _ := f.Open(path, false)
	sc, err := (&scanner{path: path, file: file, size: int64(len(f.names[path].content)), now: exactTimes, window: -1}).scan()
	if err != nil {
		t.Fatal(err)
	}
	sc.channels[2].first++
	f.names[hintPath(path)].content = appendHint(nil, sc)
	want := surveyOf(t, f)
	if len(want.Damage) != 1 || want.Damage[0].File != hintPath(path) || want.Dropped != 0 {
		t.Fatalf("%+v", want)
	}
	got, err := (&survey{dir: faultDir, files: f}).repair(context.Background(), nil)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v; %v", got, want, err)
	}
	if r := surveyOf(t, f); len(r.Damage) > 0 || f.names[hintPath(path)] != nil {
		t.Errorf("after the repair: %+v", r)
	}
}

// Hints are written for segments that have none, and those without a segment are removed.
func TestHintsAreWrittenAndRemoved(t *testing.T) {
	f, path := hinted(t)
	var want []string
	for name := range f.names {
		want = append(want, name)
		if strings.HasSuffix(name, hintSuffix) {
			if err := f.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.change(change{add: hintPath(segmentPath(faultDir, 1000)), inode: &inode{}})
	s := compactSettings(f, Options{KeyWindow: -1}, 4<<10)
	e := openFaulty(t, s)
	compactFully(t, e)
	e.Close()
	var got []string
	for name := range f.names {
		got = append(got, name)
	}
	if fmt.Sprint(slices.Sorted(slices.Values(got))) != fmt.Sprint(slices.Sorted(slices.Values(want))) {
		t.Errorf("%v, want %v", got, want)
	}
	if _, ok := readHintOf(t, f, path, 0); !ok {
		t.Error("the hint is not used")
	}
}

func FuzzHint(f *testing.F) {
	h := header{number: 1, epoch: 1, epochBefore: 1, flags: flagRewritten, span: 200}
	s := &scan{header: h, size: 1000, end: 1000, newest: exactTimes.moment(1e18), messages: 2, whole: 100}
	s.times.add(headerSize, exactTimes.moment(1e18))
	s.channels = []scannedChannel{{name: "a", number: 1, first: 1, last: 2, bytes: 30, addresses: []address{newAddress(0, 200, 10), newAddress(0, 300, 20)}}}
	f.Add(appendHint(nil, s)[hintHead:])
	f.Fuzz(func(t *testing.T, b []byte) {
		hint := append([]byte(hintMagic), make([]byte, 8)...)
		hint = append(hint, b...)
		order.PutUint32(hint[12:], hintVersion)
		order.PutUint32(hint[8:], crc32.Checksum(hint[12:], castagnoli))
		s, ok := parseHint(hint, h, 1000, exactTimes, new(scanRoom))
		if ok && !bytes.Equal(appendHint(nil, s), hint) {
			again, ok := parseHint(appendHint(nil, s), h, 1000, exactTimes, new(scanRoom))
			if !ok || !again.sameContent(s) {
				t.Errorf("%+v is read as %+v, %v", s, again, ok)
			}
		}
	})
}
