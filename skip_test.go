package boreas_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// small runs a test with a hub whose logs keep four publications per channel.
func small(t *testing.T, rules *boreas.Rules, test func(w world)) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		e := newMemory(memory.Options{Messages: 4})
		defer e.Close()
		w := world{t, boreas.New(boreas.Options{Engine: e, Rules: rules})}
		defer w.hub.Shutdown(context.Background(), 0)
		test(w)
	})
}

func ruleFor(pattern string, r boreas.Rule) *boreas.Rules {
	return (*boreas.Rules)(nil).Add(boreastest.Pattern(pattern), r)
}

// clauses 5.3, 5.5: a session that can receive announcements receives the gap and goes on; another
// one ends.
func TestReaderBehindTheLog(t *testing.T) {
	small(t, nil, func(w world) {
		_, told := w.announced("news")
		_, classic := w.subscriber("news")
		told.Bound(len("news 1 1\nnews 2"))
		classic.Bound(len("news 1 1\nnews 2"))
		// Also fill the channel's window.
		big := strings.Repeat("x", 1<<20)
		w.publish("news", "1")
		w.publish("news", "2")
		w.settle()
		for i := 3; i <= 12; i++ {
			w.publish("news", fmt.Sprint(i, big))
		}
		w.settle()
		told.Unbound()
		classic.Unbound()
		w.settle()
		short := func(lines []string) (s []string) {
			for _, l := range lines {
				s = append(s, strings.ReplaceAll(l, big, ""))
			}
			return s
		}
		want := append([]string{"news 1 1", "news 2 2", "news gap slow 2-8"}, span("news", 9, 12)...)
		if got := short(told.Lines()); strings.Join(got, "|") != strings.Join(sparseLines(want), "|") {
			t.Errorf("with announcements: %q", got)
		}
		if got := short(classic.Lines()); strings.Join(got, "|") != strings.Join(sparseLines([]string{"news 1 1", "news 2 2"}), "|")+"|end: "+boreas.ErrSlow.Error() {
			t.Errorf("classic: %q", got)
		}
		if got := w.hub.Stats().Gaps.Slow; got != 1 {
			t.Errorf("%d gaps are counted, want 1", got)
		}
	})
}

// fallBehind makes the session fall behind the log once, and then unblocks it.
func fallBehind(w world, c *boreastest.Conn, from int) (last int) {
	c.Bound(1)
	big := strings.Repeat("x", 1<<20)
	for i := range 12 {
		w.publish("news", fmt.Sprint(from+i, big))
		if i == 0 {
			w.settle() // blocked from here on
		}
	}
	w.settle()
	c.Unbound()
	w.settle()
	return from + 12
}

// brief is a format without the data of publications, which fallBehind makes large.
type brief struct{ boreastest.Announcing }

func (b brief) AppendPublication(dst []byte, channel string, epoch uint64, p *engine.Publication) []byte {
	short := *p
	short.Data = nil
	return b.Announcing.AppendPublication(dst, channel, epoch, &short)
}

// clause 5.5: a session that falls behind repeatedly ends; one that seldom does so stays.
func TestFallingBehindRepeatedly(t *testing.T) {
	for name, pause := range map[string]time.Duration{"often": 0, "seldom": 20 * time.Second} {
		t.Run(name, func(t *testing.T) {
			small(t, nil, func(w world) {
				c := &boreastest.Conn{Form: brief{}}
				w.subscribe(c, "news")
				next, rounds := 1, 0
				for rounds < 20 && c.Reason() == nil {
					next = fallBehind(w, c, next)
					w.pass(pause)
					rounds++
				}
				if often := name == "often"; often != (c.Reason() == boreas.ErrFallsBehind) || often && rounds != 10 {
					t.Errorf("after %d rounds: %v", rounds, c.Reason())
				}
			})
		})
	}
}

// clause 5.6: on a channel with the rule latest, a blocked session skips to the newest publication.
func TestLatest(t *testing.T) {
	small(t, ruleFor("news", boreas.Rule{Latest: true}), func(w world) {
		_, slow := w.announced("news", "sport")
		_, quick := w.announced("news")
		_, classic := w.subscriber("news")
		slow.Bound(len("news 1 1\nne"))
		classic.Bound(len("news 1 1\nne"))
		for i := 1; i <= 5; i++ {
			w.publish("news", fmt.Sprint(i))
			w.settle()
		}
		w.publish("sport", "1")
		w.publish("sport", "2")
		w.settle()
		slow.Unbound()
		classic.Unbound()
		w.settle()
		w.publish("news", "6")
		w.want(quick, span("news", 1, 6)...)
		w.want(classic, span("news", 1, 6)...) // the classic wire has no notice of a gap
		w.want(slow, "news 1 1", "news 2 2", "news gap conflated 2-4", "news 5 5", "sport 1 1", "sport 2 2", "news 6 6")
		if got := w.hub.Stats().Gaps; got.Conflated != 1 || got.Slow != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestPersonalForms interrupts the lines of sessions whose format depends on all their channels.
func TestSessionFormats(t *testing.T) {
	for room := 1; room < 40; room += 3 {
		inWorld(t, boreas.Options{}, func(w world) {
			names := []string{"a", "b"}
			c := &boreastest.Conn{Form: boreastest.Personal{Channels: &names}}
			s := w.subscribe(c, "a", "b")
			c.Bound(0)
			for i := 1; i <= 5; i++ {
				w.publish("a", fmt.Sprint(i))
				w.publish("b", fmt.Sprint(i))
			}
			w.settle()
			s.Send([]byte("own\n"))
			for range 20 {
				c.Bound(room)
				w.settle()
			}
			c.Unbound()
			w.settle()
			at := map[string]int{}
			n := 0
			for _, line := range c.Lines() {
				if line == "own" {
					continue
				}
				var ch string
				var i, data, pa, pb int
				if _, err := fmt.Sscanf(line, "%s %d %d @%d,%d", &ch, &i, &data, &pa, &pb); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				at[ch]++
				n++
				if i != at[ch] || pa != at["a"] || pb != at["b"] {
					t.Fatalf("room %d: line %q after %v in %q", room, line, at, c.Lines())
				}
			}
			if n != 10 {
				t.Errorf("room %d: got %d lines: %q", room, n, c.Lines())
			}
		})
	}
}

// TestPartlyWrittenLineStaysAsItBegan moves a session's position on one channel while a publication
// of the other is partly written. The rest must belong to the line that was begun.
func TestPartlyWrittenLineStaysAsItBegan(t *testing.T) {
	inWorld(t, boreas.Options{Rules: ruleFor("b", boreas.Rule{Latest: true})}, func(w world) {
		names := []string{"a", "b"}
		c := &boreastest.Conn{Form: boreastest.Personal{Channels: &names}}
		w.subscribe(c, "a", "b")
		c.Bound(len("a 1 1 "))
		w.publish("a", "1")
		w.settle()
		w.publishUpTo("b", 1, 100)
		c.Bound(1)
		w.settle() // it is writable again, and continues with the newest of b
		c.Unbound()
		w.want(c, "a 1 1 @1,0", "b gap conflated 0-99 @1,99", "b 100 100 @1,100")
	})
}

// A session that can receive announcements stays while it reads nothing, however far the log has
// moved on. Other sessions end after a while.
func TestStalledReader(t *testing.T) {
	small(t, nil, func(w world) {
		_, told := w.announced("news")
		_, classic := w.subscriber("news")
		told.Bound(0)
		classic.Bound(0)
		big := strings.Repeat("x", 1<<20)
		for i := 1; i <= 12; i++ {
			w.publish("news", fmt.Sprint(i, big))
			if i == 1 {
				w.settle() // both are blocked from here on
			}
		}
		w.pass(4 * time.Second)
		told.Unbound()
		w.settle()
		if got := classic.Reason(); got != nil || told.Reason() != nil {
			t.Fatalf("ended: %v, %v", got, told.Reason())
		}
		w.pass(4 * time.Second) // the time for its final bytes is over
		if got := classic.Reason(); got != boreas.ErrSlow {
			t.Errorf("classic: %v", got)
		}
		if lines := told.Lines(); len(lines) != 5 || lines[0] != "news gap slow 0-8" {
			t.Errorf("with announcements: %d lines", len(lines))
		}
	})
}

// A place on a channel with max_subscribers is free again when its session leaves or ends.
func TestMaxSubscribers(t *testing.T) {
	inWorld(t, boreas.Options{Rules: ruleFor("news", boreas.Rule{MaxSubscribers: 2})}, func(w world) {
		a, _ := w.announced("news")
		b, _ := w.announced("news")
		c, _ := w.announced()
		for i, leave := range []func(){func() { a.Leave("news") }, func() { b.Lost(context.Canceled) }} {
			if err := join(c, "news"); err != boreas.ErrTooManySubscribers {
				t.Fatalf("%d: %v", i, err)
			}
			leave()
			if err := join(c, "news"); err != nil || w.hub.Subscribers("news") != 2 {
				t.Fatalf("%d: %v, %d subscribers", i, err, w.hub.Subscribers("news"))
			}
			c.Leave("news")
			if i == 0 {
				w.join(a, "news")
			}
		}
	})
}
