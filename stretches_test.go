package boreas_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// tagged is a format that counts the publications that it encodes, and begins each with its tag.
type tagged struct {
	boreastest.Announcing
	tag     string
	encoded *atomic.Int64
}

func newTagged(tag string) tagged { return tagged{tag: tag, encoded: new(atomic.Int64)} }

func (f tagged) AppendPublication(dst []byte, channel string, epoch uint64, p *engine.Publication) []byte {
	f.encoded.Add(1)
	return f.Announcing.AppendPublication(append(dst, f.tag...), channel, epoch, p)
}

// with returns the lines, with the tag before each.
func (f tagged) with(lines []string) (all []string) {
	for _, line := range lines {
		all = append(all, f.tag+line)
	}
	return all
}

// resumes opens a session with the format that joins "news" after the position. The answer comes
// first.
func (w world) resumes(f boreas.Format, since engine.Position) (*boreas.Session, *boreastest.Conn) {
	w.Helper()
	c := &boreastest.Conn{Form: f}
	s := w.subscribe(c)
	w.joins(s, boreas.Join{Channel: "news", Since: since})
	w.settle()
	return s, c
}

// TestResumesShareEncodings counts the encodings for sessions that resume from the same position.
func TestResumesShareEncodings(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		w.subscriber("news") // so that the channel stays
		w.publish("news", "1")
		w.settle()
		since := w.head("news")
		w.publishUpTo("news", 2, 21)
		w.settle()
		f := newTagged("a ")
		var got []int64
		step := func(f tagged, last int) {
			w.settle()
			before := f.encoded.Load()
			_, c := w.resumes(f, since)
			w.want(c, append([]string{"joined news@1 recovered"}, f.with(sparseLines(span("news", 2, last)))...)...)
			got = append(got, f.encoded.Load()-before)
		}
		step(f, 21)
		step(f, 21) // keeps the encoding
		step(f, 21)
		step(f, 21)
		w.publishUpTo("news", 22, 24)
		step(f, 24) // encodes the new ones
		w.publishUpTo("news", 25, 40)
		step(f, 40) // keeps the longer stretch
		step(f, 40)
		other := newTagged("b ")
		step(other, 40)
		step(other, 40)
		step(other, 40)
		if diff := cmp.Diff([]int64{20, 20, 0, 0, 3, 19, 0, 39, 39, 0}, got); diff != "" {
			t.Errorf("encoded publications of each step (-want +got):\n%s", diff)
		}
	})
}

// TestResumesAfterAReset: after the log was reset, the same offsets are other publications.
func TestResumesAfterAReset(t *testing.T) {
	inShared(t, func(w world, e *boreastest.Shared) {
		w.announced("news") // so that the channel stays
		f := newTagged("a ")
		for life := range 2 {
			since := w.head("news")
			var want []string
			for i := range 10 {
				w.publish("news", fmt.Sprint(life, ".", i))
				want = append(want, fmt.Sprintf("news %d %d.%d", i+1, life, i))
			}
			w.settle()
			for range 3 {
				_, c := w.resumes(f, since)
				w.want(c, append([]string{"joined news@0 recovered"}, f.with(sparseLines(want))...)...)
			}
			e.Lose(0, errLost)
			w.settle()
		}
	})
}

// TestResumesWithLongAnswers: the answer fills the first write, so the messages follow in the next
// one.
func TestResumesWithLongAnswers(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		w.subscriber("news") // so that the channel stays
		since := w.head("news")
		w.publishUpTo("news", 1, 20)
		w.settle()
		f := newTagged("a ")
		answer := strings.Repeat("x", 70_000)
		var first []int
		for range 4 {
			var writes []int // their sizes
			c := &boreastest.Conn{Form: f}
			s := w.subscribe(c)
			c.OnWrite = func() { writes = append(writes, len(c.Taken())) }
			s.Join(context.Background(), []boreas.Join{{Channel: "news", Since: since}}, func(dst []byte, _ []boreas.Joined) []byte {
				return append(append(dst, answer...), '\n')
			})
			w.settle()
			writes = append(writes, len(c.Taken()))
			if first == nil {
				first = writes
			}
			if diff := cmp.Diff(first, writes); diff != "" {
				t.Errorf("bytes after each write (-first +this):\n%s", diff)
			}
		}
	})
}

// TestLaggardsWithOwnPublications: sessions are behind the window at the same place. They share
// encodings, except for one that does not want its own publication back.
func TestLaggardsWithOwnPublications(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := newMemory(memory.Options{Messages: 20_000})
		defer e.Close()
		hub := boreas.New(boreas.Options{Engine: e, Rules: publishing(false)})
		defer hub.Shutdown(context.Background(), 0)
		w := world{t, hub}
		f := newTagged("a ")
		var conns []*boreastest.Conn
		var author *boreas.Session
		for range 4 {
			c := &boreastest.Conn{Form: f}
			author = w.subscribe(c, "news")
			conns = append(conns, c)
		}
		w.publish("news", "1")
		w.settle()
		for _, c := range conns {
			c.Bound(0)
		}
		w.publishUpTo("news", 2, 3)
		w.silently(author, "4", "", nil)
		w.publishUpTo("news", 5, 17_000) // more than the window holds
		w.settle()
		for _, c := range conns {
			c.Bound(100) // one after the other, they read the log and write the first of it
			w.settle()
		}
		for i, c := range conns {
			c.Unbound()
			w.settle()
			want := f.with(sparseLines(span("news", 1, 17_000)))
			if i == len(conns)-1 {
				want = slices.Delete(want, 3, 4)
			}
			if diff := cmp.Diff(want, c.Lines()); diff != "" {
				t.Errorf("session %d (-want +got):\n%.2000s", i, diff)
			}
		}
	})
}

// TestStretchesAgainstAModel resumes sessions of two formats from random positions, while messages
// are published and connections accept bytes at a random pace. Some sessions publish, and do not
// want their own messages back. Each receives every other message after its position, in order.
func TestStretchesAgainstAModel(t *testing.T) {
	formats := []tagged{newTagged("a "), newTagged("b ")}
	rapid.Check(t, func(rt *rapid.T) {
		inBubble(t, func(t *testing.T) {
			hub := boreas.New(boreas.Options{Rules: publishing(false)})
			defer hub.Shutdown(context.Background(), 0)
			w := world{t, hub}
			w.subscriber("news") // so that the channel stays
			type subscriber struct {
				f    tagged
				s    *boreas.Session
				c    *boreastest.Conn
				want []string
			}
			var subs []*subscriber
			w.publish("news", "0")
			w.settle()
			texts, positions := []string{"0"}, []engine.Position{w.head("news")}
			publish := func(by *subscriber) {
				text := fmt.Sprint(len(texts), strings.Repeat("x", rapid.SampledFrom([]int{0, 10, 3000, 40_000}).Draw(rt, "size")))
				if by == nil {
					w.publish("news", text)
				} else {
					w.silently(by.s, text, "", nil)
				}
				texts, positions = append(texts, text), append(positions, w.head("news"))
				for _, sub := range subs {
					if sub != by {
						sub.want = append(sub.want, text)
					}
				}
			}
			for range rapid.IntRange(1, 30).Draw(rt, "steps") {
				var sub *subscriber
				action := rapid.SampledFrom([]string{"publish", "resume", "resume", "silently", "bound", "unbound", "settle"}).Draw(rt, "action")
				if len(subs) > 0 {
					sub = rapid.SampledFrom(subs).Draw(rt, "subscriber")
				}
				switch {
				case action == "publish":
					for range rapid.IntRange(1, 20).Draw(rt, "messages") {
						publish(nil)
					}
				case action == "settle":
					w.settle()
				case action == "resume":
					at := rapid.SampledFrom([]int{0, 1, len(positions) - 1}).Draw(rt, "at")
					sub = &subscriber{f: rapid.SampledFrom(formats).Draw(rt, "format"), want: slices.Clone(texts[min(at+1, len(texts)):])}
					at = min(at, len(positions)-1)
					sub.s, sub.c = w.resumes(sub.f, positions[at])
					subs = append(subs, sub)
				case sub == nil:
				case action == "silently":
					publish(sub)
				case action == "bound":
					sub.c.Bound(rapid.IntRange(0, 5000).Draw(rt, "bytes"))
				case action == "unbound":
					sub.c.Unbound()
				}
			}
			for i, sub := range subs {
				sub.c.Unbound()
				w.settle()
				var got []string
				for _, line := range sub.c.Lines()[1:] { // the tag, the channel, the offset, the message
					text, ok := strings.CutPrefix(line, sub.f.tag+"news ")
					if !ok {
						rt.Fatalf("subscriber %d: %.100q", i, line)
					}
					_, text, _ = strings.Cut(text, " ")
					got = append(got, text)
				}
				if diff := cmp.Diff(sub.want, got, cmpopts.EquateEmpty()); diff != "" {
					rt.Errorf("subscriber %d (-want +got):\n%.2000s", i, diff)
				}
			}
		})
	})
}
