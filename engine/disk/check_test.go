package disk

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// history is the messages of each channel, oldest first.
type history map[string][]string

// fill publishes n messages on five channels of a directory with small segments.
func fill(t *testing.T, dir string, from, n int) {
	t.Helper()
	e := openSmall(t, dir)
	for i := from; i < from+n; i++ {
		m := engine.Message{Data: fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", i%90))}
		if i%3 == 0 {
			m.Key, m.Sender = fmt.Sprint("key", i), uint64(i)
		}
		if _, err := e.Publish(context.Background(), fmt.Sprint("channel", i%5), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

func smallSettings() settings {
	o := Options{DiskFree: -1}.settings()
	o.segment = 1500
	return o
}

func openSmall(t *testing.T, dir string) *Engine {
	t.Helper()
	e, _, err := open(dir, smallSettings())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// readAll opens a directory and returns its messages and its epoch.
func readAll(t *testing.T, dir string) (history, uint64) {
	t.Helper()
	e := openSmall(t, dir)
	defer e.Close()
	return readEngine(t, e), e.epoch
}

func readEngine(t *testing.T, e *Engine) history {
	t.Helper()
	all := history{}
	names, err := e.ListChannels(context.Background(), "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		h, err := e.Read(context.Background(), name, engine.Position{}, engine.Limit{Messages: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range h.Publications {
			all[name] = append(all[name], fmt.Sprintf("%d %d %s", p.Offset, p.Sender, p.Data))
		}
	}
	return all
}

func (h history) messages() (n int64) {
	for _, all := range h {
		n += int64(len(all))
	}
	return n
}

// isRunOf reports whether each channel has messages that follow one another in the other history.
func (h history) isRunOf(all history) bool {
	for name, got := range h {
		first := slices.Index(all[name], got[0])
		if first < 0 || first+len(got) > len(all[name]) || !slices.Equal(got, all[name][first:first+len(got)]) {
			return false
		}
	}
	return true
}

// copyDir copies the files of a directory to a new one.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func check(t *testing.T, dir string) Report {
	t.Helper()
	r, err := Check(context.Background(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNewEpochKeepsMessages(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 0, 60)
	want, before := readAll(t, dir)
	epoch, err := NewEpoch(dir)
	if err != nil {
		t.Fatal(err)
	}
	if r := check(t, dir); len(r.Damage) > 0 || r.Epoch != epoch || r.Messages != want.messages() {
		t.Fatalf("epoch %d: %+v", epoch, r)
	}
	without := copyDir(t, dir)
	os.Remove(newDamager(t, without).path(-1))
	if r := check(t, without); len(r.Damage) != 1 {
		t.Fatalf("without the segment of the new epoch: %+v", r)
	}
	e := openSmall(t, dir)
	defer e.Close()
	if got := readEngine(t, e); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	ctx := context.Background()
	if _, err := e.Read(ctx, "channel1", engine.Position{Epoch: before, Offset: 12}, engine.Limit{Messages: 1}); !errors.Is(err, engine.ErrUnknownEpoch) {
		t.Fatalf("a position of the old epoch: %v", err)
	}
	// A key is still known, and its position is of the new epoch.
	ack, err := e.Publish(ctx, "channel2", engine.Message{Data: []byte("57 " + strings.Repeat("x", 57)), Key: "key57"})
	if err != nil || !ack.Duplicate || ack.Position != (engine.Position{Epoch: epoch, Offset: 12}) {
		t.Fatalf("%+v, %v", ack, err)
	}
	ack, err = e.Publish(ctx, "channel1", engine.Message{Data: []byte("next")})
	if err != nil || ack.Position != (engine.Position{Epoch: epoch, Offset: 13}) {
		t.Fatalf("%+v, %v", ack, err)
	}
}

func TestNewEpochAfterACrash(t *testing.T) {
	dir := t.TempDir()
	e := openSmall(t, dir)
	for range 3 {
		if _, err := e.Publish(context.Background(), "a", engine.Message{Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
	}
	crashed := copyDir(t, dir)
	e.Close()
	d := newDamager(t, crashed)
	last := d.record(0, 2, messageRecord)
	d.edit(0, func(b []byte) []byte { clear(b[last+10:]); return b })
	if r := check(t, crashed); len(r.Damage) > 0 || r.Cut == 0 || r.Messages != 2 {
		t.Fatalf("%+v", r)
	}
	epoch, err := NewEpoch(crashed)
	if err != nil {
		t.Fatal(err)
	}
	got, now := readAll(t, crashed)
	if now != epoch || got.messages() != 2 {
		t.Fatalf("epoch %d: %v", now, got)
	}
}

func TestNewEpochRefuses(t *testing.T) {
	if _, err := NewEpoch(t.TempDir()); err == nil {
		t.Error("an empty directory got an epoch")
	}
	dir := t.TempDir()
	fill(t, dir, 0, 60)
	e := openSmall(t, dir)
	if _, err := NewEpoch(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("in use: %v", err)
	}
	e.Close()
	os.Remove(newDamager(t, dir).path(1))
	if _, err := NewEpoch(dir); err == nil {
		t.Error("a damaged directory got an epoch")
	}
}

func TestCheckReportsProgressAndEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 0, 60)
	var read, all int64
	r, err := Check(context.Background(), dir, func(n, of int64) {
		if n < read {
			t.Errorf("%d bytes after %d", n, read)
		}
		read, all = n, of
	})
	if err != nil || read != all || all != r.Bytes {
		t.Errorf("%d of %d bytes, %+v, %v", read, all, r, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Check(ctx, dir, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after its context: %v", err)
	}
}

// withVersion changes the version in a header.
func withVersion(b []byte, version uint32) []byte {
	order.PutUint32(b[8:], version)
	order.PutUint32(b[headerSum:], crc32.Checksum(b[:headerSum], castagnoli))
	return b
}

func TestRepairRefusesANewerFormat(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 0, 60)
	d := newDamager(t, dir)
	d.edit(1, func(b []byte) []byte { return withVersion(b, formatVersion+1) })
	os.Remove(d.path(2))
	want := &VersionError{d.path(1), formatVersion + 1}
	var got *VersionError
	if _, err := Repair(context.Background(), dir, nil); !errors.As(err, &got) || *got != *want {
		t.Errorf("%v, want %v", err, want)
	}
	if _, err := Check(context.Background(), dir, nil); !errors.As(err, &got) || *got != *want {
		t.Errorf("%v, want %v", err, want)
	}
}
