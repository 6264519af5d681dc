package boreas_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// If a session's own unwanted publications fill the read limit of the window, it receives the
// publications after them without waiting for the next publish.
func TestEchoStall(t *testing.T) {
	ctx := context.Background()
	inWorld(t, boreas.Options{Sweepers: 1, Rules: ruleFor("chat", boreas.Rule{ClientPublish: true})}, func(w world) {
		s, c := w.announced("chat")
		hold := make(chan struct{})
		// Another session blocks the only sweeper, so that the publications gather.
		w2 := &boreastest.Conn{Form: boreastest.Announcing{}, OnWrite: func() { <-hold }}
		// It joins another channel, so it changes nothing else.
		close2 := w.subscribe(w2, "block")
		_ = close2
		w.publish("block", "1")
		w.settle()
		own := strings.Repeat("x", 10<<10)
		for range 8 {
			if _, err := s.Publish(ctx, "chat", message(own), boreas.PublishOptions{NoEcho: true}); err != nil {
				t.Fatal(err)
			}
		}
		w.publish("chat", "9")
		close(hold)
		w.settle()
		w.pass(time.Minute)
		if got := c.Lines(); len(got) != 1 || got[0] != "chat 9 9" {
			t.Errorf("after a minute: %.100q", got)
		}
	})
}

// The bytes that wait for a blocked session on a channel with the rule latest are bounded.
func TestConflateBounded(t *testing.T) {
	small(t, ruleFor("news", boreas.Rule{Latest: true}), func(w world) {
		_, slow := w.announced("news")
		slow.Bound(3)
		w.publish("news", "0")
		for i := range 5000 {
			w.publish("news", fmt.Sprint(i))
			w.publish("news", fmt.Sprint(i))
			w.pass(1100 * time.Millisecond)
		}
		slow.Unbound()
		w.settle()
		gaps := strings.Count(slow.Taken(), "gap conflated")
		if gaps > 10 {
			t.Errorf("%d gaps, %d bytes waited for a session that read nothing", gaps, len(slow.Taken()))
		}
	})
}

// clause 2.8: the limit counts the bytes that wait, not all bytes queued since the last time that
// nothing waited.
func TestBacklogCountsWaitingBytes(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.announced()
		c.Bound(10_000)
		answer := bytes.Repeat([]byte("a"), 10_000)
		s.Send(append(answer, "bcdefghij\n"...)) // 10 bytes wait
		for i := range 20 {
			s.Send(answer)
			c.Bound(10_000) // the client reads as fast as it sends requests; never more than 10,010 bytes wait
			w.settle()
			if err := c.Reason(); err != nil {
				t.Fatalf("after %d answers, with %d bytes waiting at most: %v", i, 20_010, err)
			}
		}
		c.Unbound()
	})
}

// A request that names one channel many times receives its snapshot once.
func TestSnapshotsInOneJoin(t *testing.T) {
	hub := boreas.New(boreas.Options{Rules: ruleFor("chat", boreas.Rule{Presence: boreas.PresenceFull})})
	defer hub.Shutdown(context.Background(), 0)
	for i := range 900 {
		c := new(boreastest.Conn)
		s, err := c.Open(hub)
		if err != nil {
			t.Fatal(err)
		}
		s.Authenticate(boreastest.Grant(fmt.Sprint("user", i), fmt.Sprint("user", i)))
		s.Join(context.Background(), []boreas.Join{{Channel: "chat"}}, nil)
	}
	c := &boreastest.Conn{Form: boreastest.Announcing{}}
	s, err := c.Open(hub)
	if err != nil {
		t.Fatal(err)
	}
	s.Authenticate(boreastest.Grant("me", "me"))
	joins := make([]boreas.Join, 1800) // {"channel":"chat","presence":true}, : 36 bytes each, 64 KiB
	for i := range joins {
		joins[i] = boreas.Join{Channel: "chat", Watch: true}
	}
	var m1, m2 runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m1)
	start := time.Now()
	r := s.Join(context.Background(), joins, nil)
	took := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&m2)
	n := 0
	for i := range r {
		if r[i].Presence != nil {
			n++
		}
	}
	if n > 1 {
		t.Errorf("%d snapshots of 901 members in %v, %d MiB before encoding", n, took, (m2.HeapAlloc-m1.HeapAlloc)>>20)
	}
	runtime.KeepAlive(r)
}

// One request joins a channel many times, each time with its whole history.
func TestLastInOneJoin(t *testing.T) {
	e := newMemory(memory.Options{})
	defer e.Close()
	peak := uint64(0)
	var base runtime.MemStats
	n := 0
	between := &boreastest.Between{Engine: e, AfterRead: func(string) {
		if n++; n%200 == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}}
	hub := boreas.New(boreas.Options{Engine: between})
	defer hub.Shutdown(context.Background(), 0)
	for range 10_000 {
		hub.Publish(context.Background(), "a", message("1"))
	}
	c := &boreastest.Conn{Form: boreastest.Announcing{}}
	s, err := c.Open(hub)
	if err != nil {
		t.Fatal(err)
	}
	s.Authenticate(boreastest.Grant("me", "me"))
	joins := make([]boreas.Join, 2300) // {"channel":"a","last":99999}, : 28 bytes each
	for i := range joins {
		joins[i] = boreas.Join{Channel: "a", Last: 1 << 30}
	}
	runtime.GC()
	runtime.ReadMemStats(&base)
	s.Join(context.Background(), joins, nil)
	if got := (int64(peak) - int64(base.HeapAlloc)) >> 20; got > 20 {
		t.Errorf("one request of 64 KiB held %d MiB", got)
	}
}

// Joining and leaving made-up channels uses no memory, and evicts no history of other channels.
func TestMadeUpNames(t *testing.T) {
	e := newMemory(memory.Options{Memory: 4 << 20})
	defer e.Close()
	hub := boreas.New(boreas.Options{Engine: e})
	defer hub.Shutdown(context.Background(), 0)
	for range 100 {
		hub.Publish(context.Background(), "news", message("1"))
	}
	c := &boreastest.Conn{Form: boreastest.Announcing{}}
	s, err := c.Open(hub)
	if err != nil {
		t.Fatal(err)
	}
	s.Authenticate(boreastest.Grant("me", "me"))
	start := time.Now()
	const names = 100_000
	for i := range names {
		name := fmt.Sprint("made up ", i)
		s.Join(context.Background(), []boreas.Join{{Channel: name}}, nil)
		s.Leave(name)
	}
	took := time.Since(start)
	hub.Publish(context.Background(), "other", message("1"))
	st := e.(engine.Stater).Stats()
	h, _ := hub.History(context.Background(), "news", engine.Position{}, engine.Limit{Messages: 1000})
	if len(h.Publications) != 100 || st.Bytes > 4<<20 {
		t.Errorf("after %d joins and leaves in %v: %d logs, %d KiB used of a ceiling of 4096, %d of 100 publications of another channel remain", names, took, st.Channels, st.Bytes>>10, len(h.Publications))
	}
}

// clause 4.6: a join with last also receives a message that is published between its two steps.
func TestLastOfAnEmptyLog(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := &boreastest.Between{Engine: newMemory(memory.Options{})}
		defer b.Close()
		w := world{t, nil}
		once := true
		b.AfterRead = func(ch string) {
			if once {
				once = false
				w.publish("news", "1")
			}
		}
		w.hub = boreas.New(boreas.Options{Engine: b})
		defer w.hub.Shutdown(context.Background(), 0)
		s, c := w.announced()
		w.joins(s, boreas.Join{Channel: "news", Last: 5})
		w.want(c, "joined news@0", "news 1 1")
	})
}

// clause 2.8: a small reply may follow a large one that the client is still reading.
func TestSmallAnswerAfterALargeOne(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.announced()
		c.Bound(87_040)                            // a new socket's buffer accepts that much
		s.Send(bytes.Repeat([]byte("p"), 256<<10)) // a page of history
		s.Send([]byte("published\n"))
		w.settle()
		if w.hub.Stats().Ended.Backlog > 0 {
			t.Error("the session ended because of its backlog")
		}
		c.Unbound()
	})
}

// clause 4.11: a join that requests snapshots of many large channels receives as many as fit. The
// others fail with an error, and another request can join them.
func TestSnapshotsOfManyChannels(t *testing.T) {
	inWorld(t, boreas.Options{Rules: ruleFor("*", boreas.Rule{Presence: boreas.PresenceFull})}, func(w world) {
		joins := make([]boreas.Join, 8)
		for i := range joins {
			joins[i] = boreas.Join{Channel: fmt.Sprint("c", i)}
		}
		for i := range 900 {
			s, err := new(boreastest.Conn).Open(w.hub)
			if err != nil {
				t.Fatal(err)
			}
			s.Authenticate(boreastest.Grant(fmt.Sprint(i), fmt.Sprint(i)))
			s.Join(context.Background(), joins, nil)
		}
		for i := range joins {
			joins[i].Watch = true
		}
		s, _ := w.announced()
		var got []error
		for _, r := range s.Join(context.Background(), joins, nil) {
			got = append(got, r.Err)
		}
		full := boreas.ErrTooManyMembers // 6 times 901 members are more than 5,000
		if want := []error{nil, nil, nil, nil, nil, nil, full, full}; !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
		for _, r := range s.Join(context.Background(), joins[6:], nil) {
			if r.Err != nil || r.Presence == nil || len(r.Presence.Members) != 901 {
				t.Errorf("in another request: %v", r.Err)
			}
		}
	})
}
