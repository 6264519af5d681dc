package disk

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A damager damages segments of a directory.
type damager struct {
	t       *testing.T
	dir     string
	numbers []uint64
}

func newDamager(t *testing.T, dir string) *damager {
	t.Helper()
	numbers, _, err := findSegments(osFileSystem{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	return &damager{t, dir, numbers}
}

// path returns the path of segment i, or from the end if it is negative.
func (d *damager) path(i int) string {
	if i < 0 {
		i += len(d.numbers)
	}
	return segmentPath(d.dir, d.numbers[i])
}

// edit changes the content of a segment.
func (d *damager) edit(i int, change func(b []byte) []byte) {
	d.t.Helper()
	b, err := os.ReadFile(d.path(i))
	if err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(d.path(i), change(b), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// flip flips a bit of a segment, and returns the place.
func (d *damager) flip(i int, place int64) int64 {
	d.t.Helper()
	d.edit(i, func(b []byte) []byte { b[place] ^= 4; return b })
	return place
}

// record returns the place of the nth record of a kind in a segment.
func (d *damager) record(i, nth int, kind byte) int64 {
	d.t.Helper()
	b, err := os.ReadFile(d.path(i))
	if err != nil {
		d.t.Fatal(err)
	}
	for place := headerSize; ; {
		k, _, n, err := parseRecord(b[place:])
		if err != nil {
			d.t.Fatal(err)
		}
		if k == kind {
			if nth--; nth < 0 {
				return int64(place)
			}
		}
		place += n
	}
}

// header changes fields of a header, and gives it the right checksum.
func (d *damager) header(i int, change func(h *header)) {
	d.t.Helper()
	d.edit(i, func(b []byte) []byte {
		h, err := parseHeader(b)
		if err != nil {
			d.t.Fatal(err)
		}
		change(&h)
		return append(h.append(nil), b[headerSize:]...)
	})
}

// damages are kinds of damage that Open refuses. Each returns the segment and the place that the
// first message must name, and how many messages are lost, -1 if the report does not know.
var damages = []struct {
	name string
	do   func(d *damager) (segment int, place, lost int64)
}{
	{"missing", func(d *damager) (int, int64, int64) { os.Remove(d.path(3)); return 3, 0, -1 }},
	{"two missing", func(d *damager) (int, int64, int64) { os.Remove(d.path(3)); os.Remove(d.path(4)); return 3, 0, -1 }},
	{"missing, and another one damaged before it", func(d *damager) (int, int64, int64) {
		os.Remove(d.path(3))
		place := d.record(1, 0, markRecord)
		d.flip(1, place+12)
		return 1, place, -1
	}},
	{"of another log", func(d *damager) (int, int64, int64) {
		other := d.t.TempDir()
		fill(d.t, other, 1000, 100)
		b, err := os.ReadFile(newDamager(d.t, other).path(3))
		if err != nil {
			d.t.Fatal(err)
		}
		d.edit(3, func([]byte) []byte { return b })
		return 3, epochAt, -1
	}},
	{"first is of another log", func(d *damager) (int, int64, int64) {
		other := d.t.TempDir()
		fill(d.t, other, 1000, 100)
		b, err := os.ReadFile(newDamager(d.t, other).path(0))
		if err != nil {
			d.t.Fatal(err)
		}
		d.edit(0, func([]byte) []byte { return b })
		return 0, epochAt, -1
	}},
	{"last is of another log", func(d *damager) (int, int64, int64) {
		other := d.t.TempDir()
		fill(d.t, other, 1000, 200)
		b, err := os.ReadFile(newDamager(d.t, other).path(len(d.numbers) - 1))
		if err != nil {
			d.t.Fatal(err)
		}
		d.edit(-1, func([]byte) []byte { return b })
		return -1, epochAt, -1
	}},
	{"a copy of another file", func(d *damager) (int, int64, int64) {
		b, err := os.ReadFile(d.path(4))
		if err != nil {
			d.t.Fatal(err)
		}
		d.edit(3, func([]byte) []byte { return b })
		return 3, numberAt, -1
	}},
	{"at another position", func(d *damager) (int, int64, int64) {
		d.header(3, func(h *header) { h.base += 10 })
		return 3, 48, 0
	}},
	{"far away", func(d *damager) (int, int64, int64) {
		d.header(3, func(h *header) { h.base += 1 << 40 })
		return 3, epochAt, -1
	}},
	{"of a later life", func(d *damager) (int, int64, int64) {
		d.header(3, func(h *header) { h.life++ })
		return 3, epochAt, -1
	}},
	{"magic", func(d *damager) (int, int64, int64) { d.flip(0, 0); return 0, 0, 0 }},
	{"header", func(d *damager) (int, int64, int64) { d.flip(3, epochAt); return 3, 0, 0 }},
	{"header of the last", func(d *damager) (int, int64, int64) { d.flip(-1, epochAt); return -1, 0, 0 }},
	{"all headers", func(d *damager) (int, int64, int64) {
		for i := range d.numbers {
			d.flip(i, 50)
		}
		return 0, 0, 0
	}},
	{"note", func(d *damager) (int, int64, int64) {
		d.flip(3, noteAt)
		d.flip(3, noteAt+noteSize)
		return 3, noteAt, 0
	}},
	{"first missing", func(d *damager) (int, int64, int64) { os.Remove(d.path(0)); return 0, 0, -1 }},
	{"first two missing", func(d *damager) (int, int64, int64) { os.Remove(d.path(0)); os.Remove(d.path(1)); return 0, 0, -1 }},
	{"last missing", func(d *damager) (int, int64, int64) { os.Remove(d.path(-1)); return -1, 0, -1 }},
	{"data", func(d *damager) (int, int64, int64) {
		place := d.record(3, 4, messageRecord)
		d.flip(3, place+30)
		return 3, place, 1
	}},
	{"length of a record", func(d *damager) (int, int64, int64) {
		place := d.record(3, 4, messageRecord)
		d.flip(3, place+6)
		return 3, place, -1
	}},
	{"mark", func(d *damager) (int, int64, int64) {
		place := d.record(3, 4, markRecord)
		d.flip(3, place+12)
		return 3, place, 0
	}},
	{"name of a channel", func(d *damager) (int, int64, int64) {
		place := d.record(3, 2, defineRecord)
		d.flip(3, place+12)
		return 3, place, 1 // at least
	}},
	{"kind of a record", func(d *damager) (int, int64, int64) {
		place := d.record(3, 2, messageRecord)
		d.flip(3, place+8)
		return 3, place, -1
	}},
	{"end", func(d *damager) (int, int64, int64) {
		place := d.record(3, 0, endRecord)
		d.flip(3, place+8)
		return 3, place, -1
	}},
	{"no end", func(d *damager) (int, int64, int64) {
		place := d.record(3, 0, endRecord)
		d.edit(3, func(b []byte) []byte { return b[:place] })
		return 3, place, -1
	}},
	{"half", func(d *damager) (int, int64, int64) {
		place := d.record(3, 4, messageRecord)
		d.edit(3, func(b []byte) []byte { return b[:place+20] })
		return 3, place, -1
	}},
	{"one byte", func(d *damager) (int, int64, int64) {
		d.edit(3, func(b []byte) []byte { return b[:1] })
		return 3, 0, -1
	}},
	{"empty", func(d *damager) (int, int64, int64) {
		d.edit(3, func(b []byte) []byte { return nil })
		return 3, 0, -1
	}},
	{"empty last", func(d *damager) (int, int64, int64) {
		d.edit(-1, func(b []byte) []byte { return nil })
		return -1, 0, -1
	}},
	{"zeros in the middle", func(d *damager) (int, int64, int64) {
		place := d.record(3, 3, markRecord)
		d.edit(3, func(b []byte) []byte { clear(b[place : place+200]); return b })
		return 3, place, -1
	}},
	{"zeros from the middle on", func(d *damager) (int, int64, int64) {
		place := d.record(3, 3, markRecord)
		d.edit(3, func(b []byte) []byte { clear(b[place:]); return b })
		return 3, place, -1
	}},
	{"more bytes", func(d *damager) (int, int64, int64) {
		var size int64
		d.edit(3, func(b []byte) []byte { size = int64(len(b)); return append(b, "abc"...) })
		return 3, size, -1
	}},
	{"data of the last", func(d *damager) (int, int64, int64) {
		place := d.record(-1, 1, messageRecord)
		d.flip(-1, place+30)
		return -1, place, 1
	}},
	{"in two files", func(d *damager) (int, int64, int64) {
		place := d.record(1, 4, messageRecord)
		d.flip(1, place+30)
		d.flip(3, d.record(3, 4, messageRecord)+30)
		return 1, place, 2
	}},
	{"in two places", func(d *damager) (int, int64, int64) {
		place := d.record(3, 1, messageRecord)
		second := d.record(3, 5, messageRecord)
		d.flip(3, place+30)
		d.flip(3, second+30)
		return 3, place, 2
	}},
}

func TestDamageIsFoundAndRepaired(t *testing.T) {
	whole := t.TempDir()
	fill(t, whole, 0, 110)
	all, epoch := readAll(t, whole)
	if r := check(t, whole); len(r.Damage) > 0 || r.Messages != all.messages() || r.Channels != int64(len(all)) || r.Epoch != epoch || r.Cut != 0 {
		t.Fatalf("without damage: %+v", r)
	}
	for _, damage := range damages {
		t.Run(strings.ReplaceAll(damage.name, " ", "-"), func(t *testing.T) {
			dir := copyDir(t, whole)
			d := newDamager(t, dir)
			segment, place, lost := damage.do(d)
			want := DamageError{File: d.path(segment), Offset: place}

			found := check(t, dir)
			if len(found.Damage) == 0 || found.Damage[0].File != want.File || found.Damage[0].Offset != want.Offset {
				t.Fatalf("found %+v, want %+v", found.Damage, want)
			}
			_, _, err := open(dir, smallSettings())
			if _, is := asDamage(err); !is {
				t.Fatalf("opened with: %v", err)
			}
			if (found.Dropped < 0) != (lost < 0) || found.Dropped < lost {
				t.Fatalf("%d messages would be dropped, want %d or more", found.Dropped, lost)
			}
			repaired, err := Repair(context.Background(), dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(repaired.Damage) != fmt.Sprint(found.Damage) || repaired.Dropped != found.Dropped || repaired.Messages != found.Messages {
				t.Fatalf("repaired %+v, and found %+v", repaired, found)
			}
			if repaired.Epoch == epoch || repaired.Epoch == found.Epoch {
				t.Fatal("the epoch is the old one")
			}
			got, now := readAll(t, dir)
			if now != repaired.Epoch || got.messages() != repaired.Messages || !got.isRunOf(all) {
				t.Fatalf("epoch %d with %d messages, and the repair said %+v", now, got.messages(), repaired)
			}
			if dropped := all.messages() - got.messages(); found.Dropped >= 0 && dropped != found.Dropped {
				t.Fatalf("%d messages were dropped, and the report said %d", dropped, found.Dropped)
			}
			again, err := Repair(context.Background(), dir, nil)
			if err != nil || len(again.Damage) > 0 || again.Epoch != now {
				t.Fatalf("the second repair found %+v, %v", again, err)
			}
			fill(t, dir, 110, 50)
			if after, _ := readAll(t, dir); after.messages() != got.messages()+50 {
				t.Fatalf("%d messages after 50 more, and %d before", after.messages(), got.messages())
			}
		})
	}
}

// copyFS returns a file system with the same files, all of them on disk.
func copyFS(f *faultFS) *faultFS {
	to := newFaultFS(1)
	for name, i := range f.names {
		inode := &inode{content: bytes.Clone(i.content), disk: bytes.Clone(i.content)}
		to.names[name], to.onDisk[name] = inode, inode
	}
	return to
}

// inMemory returns a file system with the files of a directory.
func inMemory(t *testing.T, dir string) *faultFS {
	t.Helper()
	f := newFaultFS(1)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		f.names[filepath.Join(faultDir, e.Name())] = &inode{content: b}
	}
	return copyFS(f)
}

// readFaulty opens a file system and returns its messages and its epoch.
func readFaulty(t *testing.T, f *faultFS) (history, uint64) {
	t.Helper()
	e := openFaulty(t, faultSettings(f, Options{DiskFree: -1}, 1500))
	defer e.Close()
	return readEngine(t, e), e.epoch
}

// After the change of any byte, a directory either opens with the right messages, or is refused and
// can be repaired. In the last file the change may look like a torn end.
func TestEachByteIsFoundOrHarmless(t *testing.T) {
	whole := newFaultFS(1)
	e := openFaulty(t, faultSettings(whole, Options{DiskFree: -1}, 1500))
	publishMany(t, e, 5, 0, 30)
	e.Close()
	all, _ := readFaulty(t, copyFS(whole))
	numbers, _, err := findSegments(whole, faultDir)
	if err != nil {
		t.Fatal(err)
	}
	var damaged, harmless int
	for i, number := range numbers {
		path := segmentPath(faultDir, number)
		for place := i; place < len(whole.names[path].content); place += 29 { // all would take a minute
			f := copyFS(whole)
			f.names[path].content[place] ^= 4
			found := surveyOf(t, f)
			e, _, err := open(faultDir, faultSettings(copyFS(f), Options{DiskFree: -1}, 1500))
			_, is := asDamage(err)
			switch {
			case is != (len(found.Damage) > 0):
				t.Fatalf("file %d, byte %d: opened with %v, and found %+v", i, place, err, found)
			case err != nil && !is:
				t.Fatal(err)
			case err == nil:
				harmless++
				got := readEngine(t, e)
				e.Close()
				if fmt.Sprint(got) != fmt.Sprint(all) && i < len(numbers)-1 {
					t.Fatalf("file %d, byte %d: %v, want %v", i, place, got, all)
				}
				continue
			}
			damaged++
			if found.Damage[0].File != path {
				t.Fatalf("file %d, byte %d: found %+v", i, place, found)
			}
			if _, err := (&survey{dir: faultDir, files: f}).repair(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
			got, _ := readFaulty(t, f)
			if !got.isRunOf(all) || got.messages() != found.Messages || found.Dropped >= 0 && all.messages()-got.messages() != found.Dropped {
				t.Fatalf("file %d, byte %d: %d messages after %+v", i, place, got.messages(), found)
			}
		}
	}
	t.Logf("%d changes were damage, %d harmless", damaged, harmless)
}

// The power is lost in each call of the file system during a repair. Until the repair is complete,
// the directory is refused, and another repair has the same result.
func TestRepairSurvivesLossOfPower(t *testing.T) {
	whole := t.TempDir()
	fill(t, whole, 0, 110)
	first := check(t, whole).Epoch
	for i, damage := range damages {
		t.Run(strings.ReplaceAll(damage.name, " ", "-"), func(t *testing.T) {
			dir := copyDir(t, whole)
			damage.do(newDamager(t, dir))
			damaged := inMemory(t, dir)
			f := copyFS(damaged)
			want, err := (&survey{dir: faultDir, files: f}).repair(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			all, old := readFaulty(t, f)
			for n, done := 1+i*7%25, false; !done; n += 25 { // other calls with other damage
				f := copyFS(damaged)
				f.inOrder = (n+i)%2 == 0
				f.crashAfter(n)
				_, err := (&survey{dir: faultDir, files: f}).repair(context.Background(), nil)
				done = err == nil
				f = f.reboot()
				if e, _, err := open(faultDir, faultSettings(copyFS(f), Options{DiskFree: -1}, 1500)); err == nil {
					got := readEngine(t, e)
					e.Close()
					if e.epoch == first {
						t.Fatalf("power lost in call %d: the epoch is the old one", n)
					}
					equal(t, fmt.Sprintf("opened after the power was lost in call %d", n), got, all)
				} else if _, is := asDamage(err); !is || done {
					t.Fatalf("power lost in call %d: %v", n, err)
				}
				again, err := (&survey{dir: faultDir, files: f}).repair(context.Background(), nil)
				if err != nil || again.Messages != want.Messages {
					t.Fatalf("power lost in call %d: %+v, want %+v; %v", n, again, want, err)
				}
				got, epoch := readFaulty(t, f)
				equal(t, fmt.Sprintf("repaired after the power was lost in call %d", n), got, all)
				if epoch == old {
					t.Fatal("the epoch is the one of another repair")
				}
			}
		})
	}
}
