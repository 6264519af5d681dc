package boreas_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// compressing is a format that pretends to compress. The line of a compressed publication ends with
// "^" and the data of the publication to which it refers: "news 2 3 ^2", or "^0" if it refers to
// none. Data are numbers. Each fourth publication is not compressed, and the one after it only if it may refer to
// another.
type compressing struct {
	boreastest.Announcing
	whole bool
	calls *calls
}

// calls counts how often each encoding was made.
type calls struct {
	mu   sync.Mutex
	made map[string]int
}

func (f compressing) WholeStream() bool { return f.whole }

func (f compressing) AppendCompressed(dst []byte, channel string, epoch uint64, p, prev *engine.Publication) ([]byte, bool) {
	f.calls.mu.Lock()
	f.calls.made[fmt.Sprintf("%s %d %v", channel, numberOf(p), prev != nil)]++
	f.calls.mu.Unlock()
	dst = f.AppendPublication(dst, channel, epoch, p)
	number := numberOf(p)
	if number%4 == 0 || number%4 == 1 && prev == nil {
		return dst, false
	}
	to := 0
	if prev != nil {
		to = numberOf(prev)
	}
	return fmt.Appendf(bytes.TrimSuffix(dst, []byte("\n")), " ^%d\n", to), true
}

func numberOf(p *engine.Publication) int {
	n, _ := strconv.Atoi(strings.TrimSpace(string(p.Data)))
	return n
}

func newCompressing(whole bool) compressing {
	return compressing{whole: whole, calls: &calls{made: map[string]int{}}}
}

// decompress returns the lines without the references. It fails if a line refers to anything but
// the compressed publication that the client received last. In a whole stream, that one must be the
// line before.
func decompress(lines []string, whole bool) (plain []string, referring int, err error) {
	last := ""
	for _, line := range lines {
		text, to, compressed := strings.Cut(line, " ^")
		plain = append(plain, text)
		if !compressed {
			if whole {
				last = ""
			}
			continue
		}
		fields := strings.Fields(text)
		channel, number := fields[0], fields[2]
		if to != "0" {
			referring++
			if want := channel + " " + to; last != want {
				return nil, 0, fmt.Errorf("%q refers to %q, but the client has received %q last:\n%s", line, want, last, strings.Join(lines, "\n"))
			}
		}
		last = channel + " " + number
	}
	return plain, referring, nil
}

// TestCompressedSessionsAgainstAModel makes random calls to sessions with compressed formats, whose
// connections accept bytes at a random pace. Each session must be able to decompress what it
// receives, and must receive each message that it should, once and in order.
func TestCompressedSessionsAgainstAModel(t *testing.T) {
	const pings = 100 * time.Millisecond // so that no message expires during the test
	rapid.Check(t, func(rt *rapid.T) {
		inBubble(t, func(t *testing.T) {
			hub := boreas.New(boreas.Options{Sweepers: 2, Rules: publishing(false), PingInterval: pings, MaxChannels: 10})
			defer hub.Shutdown(context.Background(), 0)
			w := world{t, hub}
			whole := newCompressing(true)
			frames := newCompressing(false)
			type subscriber struct {
				s    *boreas.Session
				c    *boreastest.Conn
				form compressing
				on   map[string]bool
				want map[string][]string
			}
			var subs []*subscriber
			for _, form := range []compressing{whole, frames, whole, frames, frames} {
				c := &boreastest.Conn{Form: form}
				subs = append(subs, &subscriber{w.subscribe(c), c, form, map[string]bool{}, map[string][]string{}})
			}
			published := map[string]int{}
			expect := func(ch string, except *subscriber) {
				n := published[ch]
				for _, sub := range subs {
					if sub.on[ch] && sub != except {
						sub.want[ch] = append(sub.want[ch], fmt.Sprintf("%s %d %d", ch, n, n))
					}
				}
			}
			for range rapid.IntRange(1, 80).Draw(rt, "steps") {
				sub := rapid.SampledFrom(subs).Draw(rt, "subscriber")
				ch := rapid.SampledFrom([]string{"a", "a", "b"}).Draw(rt, "channel")
				switch rapid.SampledFrom([]string{"publish", "publish", "publish", "silently", "join", "leave", "bound", "unbound", "settle", "settle", "answer", "ping"}).Draw(rt, "action") {
				case "publish":
					published[ch]++
					w.publish(ch, strconv.Itoa(published[ch]))
					expect(ch, nil)
				case "silently":
					if !sub.on[ch] {
						continue
					}
					published[ch]++
					m := engine.Message{Data: []byte(strconv.Itoa(published[ch]))}
					if _, err := sub.s.Publish(context.Background(), ch, m, boreas.PublishOptions{NoEcho: true}); err != nil {
						t.Fatal(err)
					}
					expect(ch, sub)
				case "join":
					if !sub.on[ch] && published[ch] > 0 && rapid.Bool().Draw(rt, "since") {
						from := rapid.IntRange(1, published[ch]).Draw(rt, "from")
						w.joins(sub.s, boreas.Join{Channel: ch, Last: published[ch] - from})
						for n := from + 1; n <= published[ch]; n++ {
							sub.want[ch] = append(sub.want[ch], fmt.Sprintf("%s %d %d", ch, n, n))
						}
					} else {
						w.join(sub.s, ch)
					}
					sub.on[ch] = true
				case "leave":
					sub.c.Unbound()
					w.settle()
					sub.s.Leave(ch)
					sub.on[ch] = false
				case "bound":
					sub.c.Bound(rapid.IntRange(0, 30).Draw(rt, "bytes"))
				case "unbound":
					sub.c.Unbound()
				case "settle":
					w.settle()
				case "answer":
					sub.s.Send([]byte("answer\n"))
				case "ping":
					w.pass(pings)
					for _, sub := range subs {
						sub.s.Alive()
					}
				}
			}
			for _, sub := range subs {
				sub.c.Unbound()
			}
			w.settle()
			for i, sub := range subs {
				lines, _, err := decompress(sub.c.Lines(), sub.form.whole)
				if err != nil {
					rt.Fatalf("subscriber %d: %v", i, err)
				}
				got := map[string][]string{}
				for _, line := range lines {
					ch, _, _ := strings.Cut(line, " ")
					got[ch] = append(got[ch], line)
				}
				for _, ch := range []string{"a", "b"} {
					if g, want := strings.Join(got[ch], "|"), strings.Join(sub.want[ch], "|"); g != want {
						rt.Errorf("subscriber %d, channel %s:\n got %s\nwant %s", i, ch, g, want)
					}
				}
			}
		})
	})
}

// All subscribers of a channel share each encoding. Each publication refers to the one before it,
// except the first that a subscriber receives.
func TestEncodingsAreShared(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		form := newCompressing(false)
		var conns []*boreastest.Conn
		subscribe := func() {
			for range 300 { // more than a group
				c := &boreastest.Conn{Form: form}
				w.subscribe(c, "news")
				conns = append(conns, c)
			}
		}
		subscribe()
		w.publish("news", "2")
		w.settle()
		subscribe()
		w.publish("news", "3")
		w.settle()
		for i, c := range conns {
			if i < 300 {
				w.want(c, "news 1 2 ^0", "news 2 3 ^2")
			} else {
				w.want(c, "news 2 3 ^0")
			}
		}
		want := map[string]int{"news 2 false": 1, "news 3 true": 1, "news 3 false": 1}
		if !maps.Equal(form.calls.made, want) {
			t.Errorf("encodings were made so often: %v, want %v", form.calls.made, want)
		}
	})
}

// In a whole stream, no publication refers to one before other bytes: answers of any size, presence
// events, and publications that are not compressed.
func TestReferencesInAWholeStream(t *testing.T) {
	rules := new(boreas.Rules).Add(boreastest.Pattern("**"), boreas.Rule{Presence: boreas.PresenceFull})
	for name, interrupt := range map[string]func(w world, s *boreas.Session){
		"nothing":              func(world, *boreas.Session) {},
		"an answer":            func(w world, s *boreas.Session) { s.Send([]byte("answer\n")) },
		"a large answer":       func(w world, s *boreas.Session) { s.Send([]byte(strings.Repeat("answer\n", 20_000))) },
		"a presence event":     func(w world, s *boreas.Session) { w.enters("bob") },
		"a plain message":      func(w world, s *boreas.Session) { w.publish("news", "4") },
		"a message, an answer": func(w world, s *boreas.Session) { w.publish("news", "5"); s.Send([]byte("answer\n")) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, boreas.Options{Rules: rules}, func(w world) {
				for _, whole := range []bool{true, false} {
					c := &boreastest.Conn{Form: newCompressing(whole)}
					s := w.subscribe(c)
					w.joins(s, boreas.Join{Channel: "news", Watch: true})
					w.publish("news", "2")
					w.settle()
					interrupt(w, s)
					w.pass(10 * time.Second)
					w.publish("news", "3")
					w.settle()
					lines := c.Lines()
					if _, _, err := decompress(lines, whole); err != nil {
						t.Fatal(err)
					}
					refers := strings.HasSuffix(lines[len(lines)-1], " 3 ^2")
					if want := !whole || name == "nothing"; refers != want && name != "a message, an answer" {
						t.Errorf("whole stream %v: the message refers to the one before it: %v, want %v\n%q", whole, refers, want, lines[len(lines)-1])
					}
				}
			})
		})
	}
}

// enters lets a user join the channel news.
func (w world) enters(user string) {
	w.Helper()
	s, _, err := boreastest.Open(w.hub)
	if err != nil {
		w.Fatal(err)
	}
	s.Authenticate(boreastest.Grant(user, user))
	w.join(s, "news")
}

// A session that does not want its own publication back has another context than the others. It does
// not change what they receive.
func TestOwnPublicationsAndReferences(t *testing.T) {
	inWorld(t, boreas.Options{Rules: publishing(false), Sweepers: 1}, func(w world) {
		form := newCompressing(false)
		author, other := &boreastest.Conn{Form: form}, &boreastest.Conn{Form: form}
		s := w.subscribe(author, "news") // swept first
		w.subscribe(other, "news")
		w.publish("news", "2")
		w.settle()
		w.silently(s, "3", "", nil)
		w.publish("news", "6")
		w.settle()
		w.want(author, "news 1 2 ^0", "news 3 6 ^0")
		w.want(other, "news 1 2 ^0", "news 2 3 ^2", "news 3 6 ^3")
	})
}

// The cache of encodings is bounded. What it has dropped is made again.
func TestEncodingsAreBounded(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		form := newCompressing(false)
		c := &boreastest.Conn{Form: form}
		w.subscribe(c, "news")
		const messages, size = 200, 64 << 10
		for range messages {
			w.publish("news", "2"+strings.Repeat(" ", size))
			w.settle()
			c.Taken()
		}
		if held := boreas.EncodingsHeld(w.hub); held == 0 || held > 12<<20 {
			t.Errorf("the cache holds %d bytes of %d", held, messages*size)
		}
		late := &boreastest.Conn{Form: form}
		s := w.subscribe(late)
		w.joins(s, boreas.Join{Channel: "news", Last: messages})
		w.settle()
		lines, referring, err := decompress(late.Lines(), false)
		if err != nil || len(lines) != 1+messages || referring == 0 {
			t.Errorf("a late subscriber received %d lines, %d of which refer to the one before; error %v", len(lines), referring, err)
		}
	})
}
