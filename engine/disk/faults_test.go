package disk

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// mustOpen opens the log of a faultFS.
func mustOpen(t testing.TB, f *faultFS, o Options, segment int64) *Engine {
	t.Helper()
	e, _, err := open(faultDir, faultSettings(f, o, segment))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// faultRound lets the calls of an operation fail, after some that succeed. It reports whether the
// operation was called that often.
func faultRound(t *testing.T, op string, fault error, skip int) (called bool) {
	w := newWitness(t, fmt.Sprintf("%s fails with %v after %d calls", op, fault, skip))
	fsys := newFaultFS(uint64(skip))
	fsys.cannotAlloc = skip%3 == 2 && op != "allocate"
	o := Options{Messages: 4, KeyWindow: []time.Duration{-1, time.Hour}[skip%2]}
	e := mustOpen(t, fsys, o, 2<<10)
	w.follow(e, 3)
	times := 2
	if op == "write" {
		times = 1 // the next write takes back the bytes that were written
	}
	fsys.inject(op, fault, skip, times)
	temporary := fault != syscall.EIO && op != "sync" && op != "syncdir" && op != "read"
	var wg sync.WaitGroup
	for p := range 2 {
		wg.Go(func() {
			for i := range 40 {
				item := engine.Item{Channel: fmt.Sprint("c", i%3), Message: engine.Message{Data: fmt.Appendf(nil, "p%d %d %0100d", p, i, 0)}}
				w.mu.Lock()
				w.sent[string(item.Message.Data)] = true
				w.mu.Unlock()
				for attempt := 0; ; attempt++ {
					ack, err := e.Publish(t.Context(), item.Channel, item.Message)
					if err == nil {
						w.saw("published", item.Channel, ack.Position, string(item.Message.Data))
						break
					}
					if temporary && (!errors.Is(err, engine.ErrStorageFull) || attempt > 100_000) {
						t.Errorf("%s: %v", w.what, err)
						return
					}
					if errors.Is(err, engine.ErrStorageFull) {
						continue
					}
					if !errors.Is(err, engine.ErrStorageFailed) {
						t.Errorf("%s: %v", w.what, err)
					}
					if ready := e.Ready(); !errors.Is(ready, engine.ErrStorageFailed) {
						t.Errorf("%s: publications are refused, and Ready returns %v", w.what, ready)
					}
					if _, err := e.Publish(t.Context(), "c0", engine.Message{Data: []byte("after")}); !errors.Is(err, engine.ErrStorageFailed) {
						t.Errorf("%s: a publication after the failure: %v", w.what, err)
					}
					return
				}
			}
		})
	}
	wg.Wait()
	fsys.mu.Lock()
	called = fsys.faults[op].times < times
	delete(fsys.faults, op)
	fsys.mu.Unlock()
	if op != "read" {
		w.check(e, 4)
	}
	failed := e.Ready()
	if err := e.Close(); !errors.Is(err, failed) {
		t.Errorf("%s: Close: %v, want %v", w.what, err, failed)
	}
	if skip%2 == 0 {
		fsys = fsys.reboot()
	}
	e = mustOpen(t, fsys, o, 2<<10)
	w.check(e, 4)
	if err := e.Close(); err != nil {
		t.Errorf("%s: %v", w.what, err)
	}
	return called
}

// TestFaults lets each call of each operation fail. Acknowledged messages must be there afterwards.
// A full disk, and a process with too many open files, refuse messages only until there is room. After another failure the engine refuses
// all messages until it is opened again.
func TestFaults(t *testing.T) {
	for _, op := range []string{"write", "sync", "allocate", "open", "rename", "remove", "syncdir", "truncate", "read"} {
		for _, fault := range []error{syscall.ENOSPC, syscall.EIO, syscall.EMFILE} {
			if fault == syscall.EMFILE && op != "open" {
				continue
			}
			t.Run(fmt.Sprint(op, " ", fault), func(t *testing.T) {
				step := 1
				for skip := 0; faultRound(t, op, fault, skip) && !t.Failed(); skip += step {
					if skip > 8 {
						step = 5 // later calls repeat the first ones
					}
				}
			})
		}
	}
}

// A disk that is full refuses messages, and nothing of them is kept. When there is room again, the
// next message has the next offset, and keys work.
func TestFullDisk(t *testing.T) {
	for _, cannotAlloc := range []bool{false, true} {
		fsys := newFaultFS(1)
		fsys.cannotAlloc = cannotAlloc
		fsys.capacity = 6 << 10
		o := Options{DiskFree: -1}
		e := mustOpen(t, fsys, o, 4<<10)
		var acks int
		publish := func(key string) (engine.Ack, error) {
			return e.Publish(t.Context(), "a", engine.Message{Data: fmt.Appendf(nil, "%d %0300d", acks, 0), Key: key})
		}
		var err error
		for err == nil {
			if _, err = publish(""); err == nil {
				acks++
			}
			if cannotAlloc && acks == 8 {
				fsys.setCapacity(3 << 10) // full in the middle of a segment
			}
		}
		if !errors.Is(err, engine.ErrStorageFull) || acks < 8 {
			t.Fatalf("after %d messages: %v, want ErrStorageFull", acks, err)
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := publish("k"); !errors.Is(err, engine.ErrStorageFull) {
					t.Errorf("full: %v", err)
				}
			})
		}
		wg.Wait()
		if err := e.Ready(); err != nil {
			t.Errorf("Ready on a full disk: %v", err)
		}
		read := func() int {
			h, err := e.Read(t.Context(), "a", engine.Position{}, engine.Limit{Messages: 1000})
			if err != nil || h.Head.Offset != uint64(len(h.Publications)) {
				t.Errorf("read: %v, %v, %d messages", err, h.Head, len(h.Publications))
			}
			return len(h.Publications)
		}
		if n := read(); n != acks {
			t.Errorf("full: %d messages, want %d", n, acks)
		}
		fsys.setCapacity(1 << 20)
		for i := range 2 {
			ack, err := publish("k")
			if err != nil || ack.Position.Offset != uint64(acks+1) || ack.Duplicate != (i == 1) {
				t.Errorf("after room was made: %+v, %v; want offset %d", ack, err, acks+1)
			}
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		e = mustOpen(t, fsys.reboot(), o, 4<<10)
		if n := read(); n != acks+1 {
			t.Errorf("opened again: %d messages, want %d", n, acks+1)
		}
		e.Close() //nolint:errcheck // nothing was written
	}
}

// With SyncInterval, an engine that always has another batch to write syncs nevertheless.
func TestSyncIntervalWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := newFaultFS(1)
		e := mustOpen(t, fsys, Options{SyncInterval: time.Second}, 64<<10)
		const writes, pause = 1000, 10 * time.Millisecond
		var n, before int
		done := make(chan struct{})
		fsys.onWrite = func() {
			<-time.After(pause)
			if n++; n == 1 {
				before = fsys.count("sync")
			}
			if n > writes {
				close(done)
				fsys.onWrite = nil
				return
			}
			if _, err := e.submit(t.Context(), "a", engine.Message{Data: []byte("1")}); err != nil {
				t.Error(err)
			}
		}
		if _, err := e.Publish(t.Context(), "a", engine.Message{Data: []byte("0")}); err != nil {
			t.Error(err)
		}
		<-done
		if got, want := fsys.count("sync")-before, int(writes*pause/time.Second); got < want {
			t.Errorf("%d syncs in %d seconds, want one per second", got, want)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What was on disk only in the part of a batch that failed must not come back.
func TestRefusedMessagesDoNotComeBack(t *testing.T) {
	for seed := range uint64(100) {
		fsys := newFaultFS(seed)
		e := mustOpen(t, fsys, Options{}, 8<<10)
		r := rand.New(rand.NewPCG(seed, 3))
		items := func(life, n int) (items []engine.Item) {
			for i := range n {
				items = append(items, engine.Item{Channel: "a", Message: engine.Message{Data: fmt.Appendf(nil, "%d.%d%0200d", life, i, 0)}})
			}
			return items
		}
		e.PublishMany(t.Context(), items(0, 3))
		fsys.inject("write", syscall.ENOSPC, 0, 1)
		refused := map[string]bool{}
		many := items(1, 5)
		for i, res := range e.PublishMany(t.Context(), many) { // the later ones may be in another batch
			if refused[string(many[i].Message.Data)] = errors.Is(res.Err, engine.ErrStorageFull); res.Err != nil != errors.Is(res.Err, engine.ErrStorageFull) {
				t.Fatal(res.Err)
			}
		}
		fsys.crashAfter(1 + r.IntN(3))
		e.PublishMany(t.Context(), items(2, 2))
		after := fsys.reboot()
		e.Close() //nolint:errcheck // the power is lost
		e = mustOpen(t, after, Options{}, 8<<10)
		h, err := e.Read(t.Context(), "a", engine.Position{}, engine.Limit{Messages: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range h.Publications {
			if refused[string(p.Data)] {
				t.Errorf("seed %d: the message %.3s was refused and is kept", seed, p.Data)
			}
		}
		e.Close() //nolint:errcheck // nothing was written
	}
}

// The messages that were gathered while a batch failed fail with it, because their offsets follow.
// Those that waited for a duplicate in it try again.
func TestGatheredMessagesFailToo(t *testing.T) {
	for _, fault := range []error{syscall.ENOSPC, syscall.EIO} {
		fsys := newFaultFS(1)
		e := mustOpen(t, fsys, Options{}, 64<<10)
		message := func(data string) engine.Message { return engine.Message{Data: []byte(data), Key: data} }
		if _, err := e.Publish(t.Context(), "a", message("0")); err != nil {
			t.Fatal(err)
		}
		var gathered []waiter
		again := make(chan engine.Result, 1)
		fsys.inject("write", fault, 0, 1)
		fsys.onWrite = func() {
			fsys.onWrite = nil
			for _, data := range []string{"2", "3"} {
				w, err := e.submit(t.Context(), "a", message(data))
				if err != nil {
					t.Error(err)
				}
				gathered = append(gathered, w)
			}
			go func() { // the same message as that of the batch that fails
				ack, err := e.Publish(t.Context(), "a", message("1"))
				again <- engine.Result{Ack: ack, Err: err}
			}()
		}
		want := engine.ErrStorageFull
		if fault == syscall.EIO {
			want = engine.ErrStorageFailed
		}
		if _, err := e.Publish(t.Context(), "a", message("1")); !errors.Is(err, want) {
			t.Errorf("%v: the batch that fails: %v", fault, err)
		}
		for _, w := range gathered {
			if _, err := w.wait(t.Context()); !errors.Is(err, want) {
				t.Errorf("%v: the batch after it: %v", fault, err)
			}
		}
		if r := <-again; r.Err != nil && !errors.Is(r.Err, want) || r.Ack.Duplicate {
			t.Errorf("%v: the same message again: %+v", fault, r)
		}
		if fault == syscall.EIO {
			e.Close() //nolint:errcheck // the disk has failed
			continue
		}
		first, err := e.Publish(t.Context(), "a", message("1"))
		if err != nil || first.Position.Offset != 2 {
			t.Errorf("the first message later: %+v, %v; want offset 2", first, err)
		}
		for i, data := range []string{"2", "3"} {
			ack, err := e.Publish(t.Context(), "a", message(data))
			if err != nil || ack.Duplicate || ack.Position.Offset != uint64(3+i) {
				t.Errorf("message %s later: %+v, %v", data, ack, err)
			}
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		e = mustOpen(t, fsys, Options{}, 64<<10)
		h, err := e.Read(t.Context(), "a", engine.Position{}, engine.Limit{Messages: 10})
		var got []string
		for _, p := range h.Publications {
			got = append(got, fmt.Sprint(p.Offset, " ", string(p.Data)))
		}
		if diff := cmp.Diff([]string{"1 0", "2 1", "3 2", "4 3"}, got); diff != "" || err != nil {
			t.Errorf("opened again: %v, %s", err, diff)
		}
		e.Close() //nolint:errcheck // nothing was written
	}
}

// When the keeper has failed to wait for the disk, the writer fails too, although its own attempt
// would succeed: the system reports a failure once.
func TestFailureOfAnotherGoroutine(t *testing.T) {
	fsys := newFaultFS(1)
	e := mustOpen(t, fsys, Options{}, 64<<10)
	fsys.onWrite = func() {
		fsys.onWrite = nil
		fsys.inject("sync", syscall.EIO, 0, 1)
		e.changing.Lock()
		defer e.changing.Unlock()
		s := e.allSegments()[0]
		n := s.note
		n.start = 100
		if err := e.saveNote(s, n); !errors.Is(err, engine.ErrStorageFailed) {
			t.Errorf("saveNote: %v", err)
		}
	}
	for range 2 {
		if _, err := e.Publish(t.Context(), "a", engine.Message{Data: []byte("1")}); !errors.Is(err, engine.ErrStorageFailed) {
			t.Errorf("Publish: %v", err)
		}
	}
	if err := e.Close(); !errors.Is(err, engine.ErrStorageFailed) {
		t.Errorf("Close: %v", err)
	}
}
