package boreas_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// TestSessionsAgainstAModel makes random calls to sessions whose connections accept bytes at a
// random pace. It compares the received messages with a naive model: for each channel, the messages
// published between each join and leave, once and in order.
func TestSessionsAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		inBubble(t, func(t *testing.T) {
			hub := boreas.New(boreas.Options{Sweepers: 2})
			defer hub.Shutdown(context.Background(), 0)
			w := world{t, hub}
			channels := []string{"a", "b", "c"}
			published := map[string]int{}
			type subscriber struct {
				s    *boreas.Session
				c    *boreastest.Conn
				on   map[string]bool
				want map[string][]string
			}
			var subs []*subscriber
			for range 3 {
				c := new(boreastest.Conn)
				subs = append(subs, &subscriber{w.subscribe(c), c, map[string]bool{}, map[string][]string{}})
			}
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				sub := rapid.SampledFrom(subs).Draw(rt, "subscriber")
				ch := rapid.SampledFrom(channels).Draw(rt, "channel")
				switch rapid.SampledFrom([]string{"publish", "publish", "publish", "join", "leave", "bound", "unbound", "settle"}).Draw(rt, "action") {
				case "publish":
					published[ch]++
					n := published[ch]
					w.publish(ch, fmt.Sprint(n))
					for _, sub := range subs {
						if sub.on[ch] {
							sub.want[ch] = append(sub.want[ch], fmt.Sprintf("%s %d %d", ch, n, n))
						}
					}
				case "join":
					w.join(sub.s, ch)
					sub.on[ch] = true
				case "leave":
					// A message published before the leave may or may not be delivered after it.
					// Let all messages arrive first, so that the model knows.
					sub.c.Unbound()
					w.settle()
					sub.s.Leave(ch)
					sub.on[ch] = false
				case "bound":
					sub.c.Bound(rapid.IntRange(0, 20).Draw(rt, "bytes"))
				case "unbound":
					sub.c.Unbound()
				case "settle":
					w.settle()
				}
			}
			for _, sub := range subs {
				sub.c.Unbound()
			}
			w.settle()
			for i, sub := range subs {
				got := map[string][]string{}
				for _, line := range sub.c.Lines() {
					ch, _, _ := strings.Cut(line, " ")
					got[ch] = append(got[ch], line)
				}
				for _, ch := range channels {
					if g, want := strings.Join(got[ch], "|"), strings.Join(sub.want[ch], "|"); g != want {
						rt.Errorf("subscriber %d, channel %s:\n got %s\nwant %s", i, ch, g, want)
					}
				}
			}
		})
	})
}

// TestStress has real goroutines publish, join, leave, block and end sessions at the same time, for
// the race detector and to find deadlocks. A session that stays must receive every message since
// its join.
func TestStress(t *testing.T) {
	hub := boreas.New(boreas.Options{Sweepers: 4})
	const publishers, each, stayers = 4, 200, 300
	var conns []*boreastest.Conn
	for range stayers {
		s, c, err := boreastest.Open(hub)
		if err != nil {
			t.Fatal(err)
		}
		s.Authenticate(boreastest.Grant("stayer", "stayer"))
		join(s, "news")
		join(s, "other")
		conns = append(conns, c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var comers, wg sync.WaitGroup
	for range 4 {
		comers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				s, c, err := boreastest.Open(hub)
				if err != nil {
					t.Error(err)
					return
				}
				s.Authenticate(boreastest.Grant("comer", "comer"))
				c.Bound(i % 50)
				join(s, "news")
				join(s, "other")
				hub.Counts()
				s.Leave("other")
				c.Unbound()
				s.End(boreas.ErrShuttingDown)
				<-c.Finished()
			}
		})
	}
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				hub.Publish(ctx, "news", engine.Message{Data: fmt.Appendf(nil, "%d-%d", p, i)})
				hub.Publish(ctx, "other", engine.Message{Data: []byte("x")})
				conns[i%stayers].Bound(30)
				conns[(i*7)%stayers].Unbound()
			}
		})
	}
	wg.Wait()
	cancel()
	comers.Wait()
	hub.Publish(context.Background(), "news", engine.Message{Data: []byte("last-of-news")})
	hub.Publish(context.Background(), "other", engine.Message{Data: []byte("last-of-other")})
	for _, c := range conns {
		c.Unbound()
	}
	for _, c := range conns {
		<-c.Await("last-of-news")
		<-c.Await("last-of-other")
	}
	if err := hub.Shutdown(context.Background(), 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for i, c := range conns {
		last := map[string]int{"news": 0, "other": 0}
		for _, line := range c.Lines() {
			var ch, data string
			var offset int
			if n, _ := fmt.Sscan(line, &ch, &offset, &data); n < 3 || ch == "end:" {
				continue
			}
			if offset != last[ch]+1 {
				t.Fatalf("stayer %d: %q after offset %d", i, line, last[ch])
			}
			last[ch] = offset
		}
		if got := c.Lines(); got[len(got)-1] != "end: server is shutting down" {
			t.Errorf("stayer %d: last line %q", i, got[len(got)-1])
		}
		if last["news"] != publishers*each+1 || last["other"] != publishers*each+1 {
			t.Errorf("stayer %d received only %v", i, last)
		}
	}
}
