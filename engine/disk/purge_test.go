package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// purge purges a channel of the model.
func (d *model) purge(name string) {
	l := d.logs[name]
	h := d.read(name, engine.Position{}, engine.Limit{Messages: 1})
	at, err := d.e.Purge(context.Background(), name)
	if err != nil || at != h.Head {
		d.Fatalf("purge %s: %v, %v; the head is %v", name, at, err, h.Head)
	}
	if len(h.Publications) > 0 {
		before := engine.Position{Epoch: at.Epoch, Offset: h.Publications[0].Offset - 1}
		if _, err := d.e.Read(context.Background(), name, before, engine.Limit{Messages: 1}); !errors.Is(err, engine.ErrPurged) {
			d.Fatalf("%s since %v, purged up to %v: %v", name, before, at, err)
		}
	}
	if !l.inMemory {
		l.must, l.purged = len(l.entries), at.Offset
	}
}

// A purge outlives the sorting of its own segment while messages from before are in older files. The bytes of
// the messages are gone once their own file is written anew.
func TestPurgeOutlivesSorting(t *testing.T) {
	dir := t.TempDir()
	e, _, err := open(dir, keptLong(time.Nanosecond))
	if err != nil {
		t.Fatal(err)
	}
	publish := func(data string) engine.Position {
		t.Helper()
		ack, err := e.Publish(context.Background(), "a", engine.Message{Data: []byte(data)})
		if err != nil {
			t.Fatal(err)
		}
		return ack.Position
	}
	first := publish("secret 1")
	publish("secret 2")
	publishMany(t, e, 30, 0, 60)
	compactFully(t, e) // the file with the messages is not written anew later
	at, err := e.Purge(context.Background(), "a")
	if err != nil {
		t.Fatal(err)
	}
	publishMany(t, e, 30, 60, 60)
	compactFully(t, e)
	for i := range 2 {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if r := check(t, dir); len(r.Damage) > 0 || r.Messages != 120+int64(i) {
			t.Errorf("%+v", r)
		}
		if e, _, err = open(dir, keptLong(time.Nanosecond)); err != nil {
			t.Fatal(err)
		}
		h, err := e.Read(context.Background(), "a", engine.Position{}, engine.Limit{Messages: 10})
		if err != nil || len(h.Publications) != i || h.Floor.Offset < at.Offset {
			t.Errorf("opened again: %d messages, floor %v, %v; %v was purged", len(h.Publications), h.Floor, err, at)
		}
		if _, err := e.Read(context.Background(), "a", first, engine.Limit{Messages: 1}); !errors.Is(err, engine.ErrPurged) {
			t.Errorf("since the first message: %v", err)
		}
		publish("new")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(segmentPath(dir, 1))
	if err != nil || !strings.Contains(string(old), "secret") {
		t.Errorf("the first file has no purged messages, so this test shows nothing: %v", err)
	}
}

// Messages of a channel may have been purged in a file that is damaged elsewhere. The repair keeps the purge.
func TestPurgeOutlivesRepair(t *testing.T) {
	dir := t.TempDir()
	e, _, err := open(dir, keptLong(time.Nanosecond))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := e.Publish(context.Background(), "a", engine.Message{Data: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	publishMany(t, e, 30, 0, 40)
	if _, err := e.Purge(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	number := e.allSegments()[len(e.allSegments())-1].number
	publishMany(t, e, 30, 40, 40)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	d := newDamager(t, dir)
	d.flip(int(number)-1, d.record(int(number)-1, 2, messageRecord)+20)
	if _, err := Repair(context.Background(), dir, nil); err != nil {
		t.Fatal(err)
	}
	if e, _, err = open(dir, keptLong(time.Nanosecond)); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	h, err := e.Read(context.Background(), "a", engine.Position{}, engine.Limit{Messages: 10})
	if err != nil || len(h.Publications) > 0 {
		t.Errorf("after the repair: %d messages, %v", len(h.Publications), err)
	}
}

// A version that does not know purges must refuse the files that have some, and not call them damaged.
func TestPurgesAreInFilesOfTheNewFormat(t *testing.T) {
	dir := copyDir(t, formats[0])
	e, _, err := open(dir, keptLong(time.Nanosecond))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Purge(context.Background(), "channel1"); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	versions := map[uint32]bool{}
	for _, n := range newDamager(t, dir).numbers {
		b, err := os.ReadFile(segmentPath(dir, n))
		if err != nil {
			t.Fatal(err)
		}
		sc, err := (&scanner{path: segmentPath(dir, n), file: bytes.NewReader(b), size: int64(len(b)), now: exactTimes, window: -1}).scan()
		if err != nil {
			t.Fatal(err)
		}
		if sc.hasPurges() {
			versions[sc.header.version] = true
		}
	}
	if len(versions) != 1 || !versions[formatVersion] {
		t.Errorf("purges are in files of the formats %v", versions)
	}
}
