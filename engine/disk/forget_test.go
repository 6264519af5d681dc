package disk

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// short gives the channels that begin with "short" an age of a second. Keys have no effect, so that
// nothing else keeps a channel.
func short() Options {
	return Options{KeyWindow: -1, Limits: func(channel string) engine.Retention {
		if strings.HasPrefix(channel, "short") {
			return engine.Retention{Age: time.Second}
		}
		return engine.Retention{Age: 10 * 24 * time.Hour}
	}}
}

// mustPublish publishes n messages and returns the position of the last one.
func mustPublish(t *testing.T, e *Engine, channel string, n int) engine.Position {
	t.Helper()
	var ack engine.Ack
	for i := range n {
		var err error
		if ack, err = e.Publish(t.Context(), channel, engine.Message{Data: fmt.Appendf(nil, "%s %0200d", channel, i)}); err != nil {
			t.Fatal(err)
		}
	}
	return ack.Position
}

// headOf returns the head of a channel.
func headOf(t *testing.T, e *Engine, channel string) engine.Position {
	t.Helper()
	h, err := e.Read(t.Context(), channel, engine.Position{}, engine.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	return h.Head
}

// wantNext publishes a message on a channel. A client with the position must have missed exactly that
// one.
func wantNext(t *testing.T, e *Engine, channel string, since engine.Position) {
	t.Helper()
	if h, err := e.Read(t.Context(), channel, since, engine.Limit{Messages: 10}); err != nil || len(h.Publications) > 0 {
		t.Errorf("%s since %v: %d messages, %v; want none", channel, since, len(h.Publications), err)
	}
	next := mustPublish(t, e, channel, 1)
	h, err := e.Read(t.Context(), channel, since, engine.Limit{Messages: 10})
	var got []uint64
	for _, p := range h.Publications {
		got = append(got, p.Offset)
	}
	if diff := cmp.Diff([]uint64{next.Offset}, got); err != nil || diff != "" {
		t.Errorf("%s since %v, after a message: %v (-want +got): %s", channel, since, err, diff)
	}
}

// A restart does not end the positions of channels without messages.
func TestEmptyChannelAfterARestart(t *testing.T) {
	for _, how := range []string{"closed", "killed", "without power"} {
		t.Run(how, func(t *testing.T) {
			fsys := newFaultFS(1)
			e := mustOpen(t, fsys, Options{}, 64<<10)
			followed, stop, err := e.Follow(t.Context(), "followed", boreastest.DeliverFunc(func(*engine.Publication) {}))
			if err != nil {
				t.Fatal(err)
			}
			read := headOf(t, e, "read")
			mustPublish(t, e, "busy", 10)
			stop()
			for range 2 {
				old := e
				switch how {
				case "killed":
					fsys = fsys.clone()
				case "without power":
					fsys = fsys.reboot()
				default:
					if err := old.Close(); err != nil {
						t.Fatal(err)
					}
				}
				e = mustOpen(t, fsys, Options{}, 64<<10)
				old.Close() //nolint:errcheck // its files are not used any more
			}
			defer e.Close()
			wantNext(t, e, "followed", followed)
			wantNext(t, e, "read", read)
		})
	}
}

// forgotten returns an engine that has forgotten channels, and the name and position of another
// channel that begins where one of them ended.
func forgotten(t *testing.T, fsys *faultFS) (e *Engine, name string, at engine.Position) {
	t.Helper()
	const most = 50 // the offset of the last message of the channels that are forgotten
	e = mustOpen(t, fsys, short(), 64<<10)
	for i := range 200 {
		mustPublish(t, e, fmt.Sprint("short", i), 1+i%most)
	}
	<-time.After(3 * time.Hour)
	if n := e.Stats().Channels; n != 0 {
		t.Fatalf("%d channels are left after three hours", n)
	}
	for i := range 1 << 20 {
		name = fmt.Sprint("other", i)
		if at = headOf(t, e, name); at.Offset == most {
			return e, name, at
		}
	}
	t.Fatal("no other channel begins where a forgotten one ended")
	return nil, "", at
}

// The offset of a forgotten channel is noted on disk before another channel begins there.
func TestPositionOfAForgottenChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := newFaultFS(1)
		e, name, at := forgotten(t, fsys)
		fsys = fsys.reboot()
		e.Close() //nolint:errcheck // the power is lost
		e = mustOpen(t, fsys, short(), 64<<10)
		defer e.Close()
		wantNext(t, e, name, at)
	})
}

// A channel that begins at the offset of a forgotten one, and is found on disk with its old head,
// continues at the later of both.
func TestForgottenChannelWithRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := newFaultFS(1)
		e := mustOpen(t, fsys, short(), 64<<10)
		old := mustPublish(t, e, "short", 1)
		last := mustPublish(t, e, "busy", 100)
		<-time.After(3 * time.Hour) // short is forgotten
		if e.mayForget(last.Offset) {
			t.Fatal("busy may be forgotten without a note")
		}
		synctest.Wait() // the keeper writes it
		if !e.mayForget(last.Offset) {
			t.Fatal("busy may not be forgotten")
		}
		e.table.StartAt(last.Offset) // as if busy had been forgotten, and short had the same place
		at := headOf(t, e, "short")
		if at != last {
			t.Fatalf("short begins at %v, want %v", at, last)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		e = mustOpen(t, fsys, short(), 64<<10)
		defer e.Close()
		if _, err := e.Read(t.Context(), "short", old, engine.Limit{}); !errors.Is(err, engine.ErrExpired) {
			t.Errorf("short since its old head: %v, want ErrExpired", err)
		}
		wantNext(t, e, "short", at)
	})
}

// While the note cannot be written, channels are kept, and the log says so now and then.
func TestForgettingWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		fsys, o := newFaultFS(1), short()
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		e := mustOpen(t, fsys, o, 64<<10)
		defer e.Close()
		mustPublish(t, e, "short", 1)
		fsys.inject("write", syscall.EIO, 0, 1<<30)
		<-time.After(3 * time.Hour)
		synctest.Wait()
		if n := e.Stats().Channels; n != 1 {
			t.Errorf("%d channels are left without a note, want 1", n)
		}
		if n := strings.Count(log.String(), "cannot note on disk"); n < 1 || n > 3*60 {
			t.Errorf("the log says %d times in three hours that the note cannot be written", n)
		}
		fsys.inject("write", nil, 0, 0)
		<-time.After(time.Hour)
		if n := e.Stats().Channels; n != 0 {
			t.Errorf("%d channels are left with a note", n)
		}
		if err := e.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// Compaction may remove the last messages of a channel before its first ones. Positions among them
// are expired after a restart.
func TestLaterMessagesAreCompactedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const segment = 8 << 10
		fsys := newFaultFS(1)
		e := mustOpen(t, fsys, short(), segment)
		first := mustPublish(t, e, "short", 1)
		fillSegments(t, e, 2)
		last := mustPublish(t, e, "short", 25) // most of the second segment
		fillSegments(t, e, 4)
		<-time.After(2 * time.Minute)
		for i, want := range []uint32{0, flagRewritten} {
			if s := e.allSegments()[i]; s.flags&flagRewritten != want {
				t.Fatalf("segment %d has the flags %d", s.number, s.flags)
			}
		}
		fsys = fsys.reboot()
		e.Close() //nolint:errcheck // the power is lost
		e = mustOpen(t, fsys, short(), segment)
		defer e.Close()
		if _, err := e.Read(t.Context(), "short", first, engine.Limit{}); !errors.Is(err, engine.ErrExpired) {
			t.Errorf("since the first message: %v, want ErrExpired", err)
		}
		if next := mustPublish(t, e, "short", 1); next.Offset <= last.Offset {
			t.Errorf("the offset %d is used again", next.Offset)
		}
	})
}

// A channel that moves to memory for some time changes nothing for the others.
func TestEmptyChannelBesideARuleOfMemory(t *testing.T) {
	fsys := newFaultFS(1)
	var at []engine.Position
	for _, inMemory := range []bool{false, true, false} {
		e := mustOpen(t, fsys, Options{InMemory: func(channel string) bool { return inMemory && channel == "busy" }}, 64<<10)
		mustPublish(t, e, "busy", 10)
		at = append(at, headOf(t, e, "quiet"))
		if len(at) == 3 {
			for _, since := range at[:2] {
				if since != at[2] {
					t.Errorf("the head of an empty channel went from %v to %v", since, at[2])
				}
			}
			wantNext(t, e, "quiet", at[0])
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
