package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// uncompacted returns a file system with segments that can be rewritten, and their messages.
func uncompacted(t *testing.T) (*faultFS, settings, history) {
	t.Helper()
	f := newFaultFS(1)
	s := compactSettings(f, Options{KeyWindow: -1, Messages: 12}, 4<<10)
	e := openFaulty(t, s)
	publishMany(t, e, 20, 0, 250)
	want := readEngine(t, e)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return f, s, want
}

// The power is lost in each call of the file system while segments are rewritten.
func TestCompactingSurvivesLossOfPower(t *testing.T) {
	whole, s, want := uncompacted(t)
	for _, inOrder := range []bool{true, false} {
		for n := 1; ; n++ {
			f := copyFS(whole)
			f.inOrder, s.files = inOrder, f
			e := openFaulty(t, s)
			f.crashAfter(n)
			for range 8 {
				e.compactAll(context.Background(), false)
			}
			f.mu.Lock()
			done := !f.off
			f.mu.Unlock()
			f = f.reboot()
			e.Close() //nolint:errcheck // the power is lost
			s.files = f
			e = openFaulty(t, s)
			equal(t, fmt.Sprintf("power lost in call %d", n), readEngine(t, e), want)
			compactFully(t, e)
			equal(t, fmt.Sprintf("compacted after the power was lost in call %d", n), readEngine(t, e), want)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			if r := surveyOf(t, f); len(r.Damage) > 0 {
				t.Fatalf("power lost in call %d: %+v", n, r)
			}
			if done {
				break
			}
		}
	}
}

// Each call of the file system fails while segments are rewritten.
func TestCompactingSurvivesErrors(t *testing.T) {
	whole, s, want := uncompacted(t)
	for _, op := range []string{"open", "read", "write", "sync", "rename", "remove", "syncdir", "size"} {
		for n := range 12 {
			f := copyFS(whole)
			s.files = f
			e := openFaulty(t, s)
			f.inject(op, errors.New("injected"), n, 1)
			compactFully(t, e)
			f.inject(op, nil, 0, 0)
			if n == 0 && e.counters.rewritten.Load() == 0 {
				t.Error("nothing was rewritten")
			}
			equal(t, fmt.Sprintf("%s failed at call %d", op, n), readEngine(t, e), want)
			e.Close() //nolint:errcheck // a note may not have been synced
			e = openFaulty(t, s)
			equal(t, fmt.Sprintf("opened after %s failed at call %d", op, n), readEngine(t, e), want)
			e.Close()
		}
	}
}

func TestCompactingLeavesDamage(t *testing.T) {
	f := newFaultFS(1)
	var log bytes.Buffer
	s := compactSettings(f, Options{KeyWindow: -1, Logger: slog.New(slog.NewTextHandler(&log, nil))}, 4<<10)
	e := openFaulty(t, s)
	defer e.Close()
	publishMany(t, e, 20, 0, 400)
	damaged := e.allSegments()[1]
	_, groups := e.liveIn(damaged)
	place := placeOf(groups[3].addresses[0])
	f.names[damaged.path].content[place+25] ^= 1
	before := bytes.Clone(f.names[damaged.path].content)
	compactFully(t, e)
	if !bytes.Equal(before, f.names[damaged.path].content) {
		t.Error("the damaged file has changed")
	}
	if n := strings.Count(log.String(), fmt.Sprintf("%s is damaged at byte %d", damaged.path, place)); n != 1 {
		t.Errorf("%d messages in the log:\n%s", n, log.String())
	}
	if e.allSegments()[2].flags&flagRewritten == 0 {
		t.Error("the next file was not sorted")
	}
}

func TestCompactingLeavesTheDiskToMessages(t *testing.T) {
	f := newFaultFS(1)
	var log bytes.Buffer
	s := compactSettings(f, Options{KeyWindow: -1, DiskFree: -1, Logger: slog.New(slog.NewTextHandler(&log, nil))}, 4<<10)
	e := openFaulty(t, s)
	publishMany(t, e, 20, 0, 400)
	want := readEngine(t, e)
	for room := int64(0); room < 5<<10; room += 100 {
		f.mu.Lock()
		f.capacity = f.used() + room
		f.mu.Unlock()
		e.compactAll(context.Background(), false)
		f.setCapacity(0)
		equal(t, "on a full disk", readEngine(t, e), want)
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", log.String())
	}
	compactFully(t, e)
	publishMany(t, e, 20, 400, 10)
	e.Close()
	if r := surveyOf(t, f); len(r.Damage) > 0 || r.Messages != want.messages()+10 {
		t.Fatalf("%+v", r)
	}
}
