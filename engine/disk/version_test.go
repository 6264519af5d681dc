package disk

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

var update = flag.Bool("update", false, "write the directory of this format in testdata anew")

// Directories and their content, written by the first version of each format. They must always open.
var formats = []string{"testdata/v1", "testdata/v2"}

// keptLong keeps everything that is in testdata, however old.
func keptLong(keys time.Duration) settings {
	const age = 200 * 365 * 24 * time.Hour
	s := Options{DiskFree: -1, Age: age, KeyWindow: keys}.settings()
	s.segment, s.compactPeriod, s.compactRate = 1500, 100*time.Hour, 0
	return s
}

// dump returns everything that clients see of a log.
func dump(t *testing.T, e *Engine) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintln(&b, "epoch", e.epoch)
	names, err := e.ListChannels(context.Background(), "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		h, err := e.Read(context.Background(), name, engine.Position{}, engine.Limit{Messages: 1000})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s from %d to %d\n", name, h.Floor.Offset, h.Head.Offset)
		for _, p := range h.Publications {
			fmt.Fprintf(&b, "%d at %d from %d: %s\n", p.Offset, p.Time, p.Sender, p.Data)
		}
	}
	return b.String()
}

// writeFormat writes a directory with all kinds of records and files: sorted and unsorted segments,
// hints, keys, senders, purges, an end that may have been lost, a new epoch.
func writeFormat(t *testing.T, dir string) {
	t.Helper()
	e, _, err := open(dir, keptLong(time.Nanosecond))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Publish(context.Background(), "purged", engine.Message{Data: []byte("secret")}); err != nil {
		t.Fatal(err)
	}
	publishMany(t, e, 30, 0, 60)
	if _, err := e.Purge(context.Background(), "purged"); err != nil {
		t.Fatal(err)
	}
	publishMany(t, e, 30, 60, 15)
	compactFully(t, e)
	publishMany(t, e, 30, 75, 15)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	lazy := keptLong(time.Nanosecond)
	lazy.SyncInterval = time.Hour
	if e, _, err = open(dir, lazy); err != nil {
		t.Fatal(err)
	}
	publishMany(t, e, 30, 90, 5)
	crashed := copyDir(t, dir)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if e, _, err = open(crashed, keptLong(time.Nanosecond)); err != nil {
		t.Fatal(err)
	}
	publishMany(t, e, 30, 95, 5)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := NewEpoch(crashed); err != nil {
		t.Fatal(err)
	}
	if e, _, err = open(crashed, keptLong(time.Nanosecond)); err != nil {
		t.Fatal(err)
	}
	publishMany(t, e, 30, 100, 10)
	want, newest := dump(t, e), formats[len(formats)-1]
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Remove(filepath.Join(crashed, lockName)), os.RemoveAll(newest), os.CopyFS(newest, os.DirFS(crashed)),
		os.WriteFile(newest+".txt", []byte(want), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestOldFormatsOpen(t *testing.T) {
	if *update {
		writeFormat(t, t.TempDir())
	}
	for _, format := range formats {
		want, err := os.ReadFile(format + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		if r := check(t, copyDir(t, format)); len(r.Damage) > 0 || r.Messages != 110 || r.Channels != 21 {
			t.Errorf("%s: %+v", format, r)
		}
		// With keys that are remembered, hints are not used.
		const long = 200 * 365 * 24 * time.Hour
		for _, window := range []time.Duration{long, time.Nanosecond} {
			e, _, err := open(copyDir(t, format), keptLong(window))
			if err != nil {
				t.Fatal(err)
			}
			if got := dump(t, e); got != string(want) {
				t.Errorf("%s has\n%s\nwant\n%s", format, got, want)
			}
			m := engine.Message{Data: []byte("108 " + strings.Repeat("x", 108*7%120)), Key: "key108", Sender: 108}
			ack, err := e.Publish(context.Background(), fmt.Sprint("channel", (108*108+108/3)%30), m)
			if err != nil || ack.Duplicate != (window == long) {
				t.Errorf("%s: a message with a key of a log that remembers it for %v: %+v, %v", format, window, ack, err)
			}
			e.Close()
		}
	}
}

// The directory in testdata has the records that the test is about.
func TestFormatHasEverything(t *testing.T) {
	dir := copyDir(t, formats[len(formats)-1])
	var got []string
	for i, n := range newDamager(t, dir).numbers {
		f, err := osFileSystem{}.Open(segmentPath(dir, n), false)
		if err != nil {
			t.Fatal(err)
		}
		size, err := f.Size()
		if err != nil {
			t.Fatal(err)
		}
		sc, err := (&scanner{path: segmentPath(dir, n), file: f, size: size, now: exactTimes, window: 1 << 62}).scan()
		if err != nil {
			t.Fatal(err)
		}
		h := sc.header
		add := func(is bool, what string) {
			if is {
				got = append(got, what)
			}
		}
		_, hinted := readHint(osFileSystem{}, segmentPath(dir, n), f, size, exactTimes, -1, new(scanRoom))
		add(h.flags&flagRewritten != 0, "sorted")
		add(h.flags&flagRewritten == 0, "unsorted")
		add(hinted, "hint")
		add(h.life > 0, "another life")
		add(i > 0 && h.epoch != h.epochBefore, "another epoch")
		add(len(sc.keys) > 0, "keys")
		add(sc.hasPurges() && h.flags&flagRewritten != 0, "purge in a sorted segment")
		f.Close()
	}
	slices.Sort(got)
	if got := fmt.Sprint(slices.Compact(got)); got != "[another epoch another life hint keys purge in a sorted segment sorted unsorted]" {
		t.Error(got)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	dir := copyDir(t, formats[len(formats)-1])
	d := newDamager(t, dir)
	d.edit(1, func(b []byte) []byte { return withVersion(b, formatVersion+1) })
	_, _, err := open(dir, smallSettings())
	want := fmt.Sprintf("%s has format 3, and this version reads formats up to 2: use the newer version, or another directory", d.path(1))
	var newer *VersionError
	if !errors.As(err, &newer) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
