package boreas_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// announced opens an authenticated session on a connection that can receive every announcement.
func (w world) announced(channels ...string) (*boreas.Session, *boreastest.Conn) {
	w.Helper()
	c := &boreastest.Conn{Form: boreastest.Announcing{}}
	return w.subscribe(c, channels...), c
}

// joinLine appends the results of a join as lines: "joined news@3 recovered".
func joinLine(dst []byte, joins []boreas.Join, results []boreas.Joined) []byte {
	for i, r := range results {
		dst = fmt.Appendf(dst, "joined %s", joins[i].Channel)
		switch {
		case r.Err != nil:
			dst = fmt.Appendf(dst, ": %v", r.Err)
		case r.Gap.Reason != "":
			dst = fmt.Appendf(dst, "@%d gap %s %d-%d oldest %d", r.Position.Offset, r.Gap.Reason, r.Gap.From.Offset, r.Gap.To.Offset, r.Oldest.Offset)
		case r.Recovered:
			dst = fmt.Appendf(dst, "@%d recovered", r.Position.Offset)
		default:
			dst = fmt.Appendf(dst, "@%d", r.Position.Offset)
		}
		dst = append(dst, '\n')
	}
	return dst
}

// joins joins the channels, and has the answer appear among the connection's lines.
func (w world) joins(s *boreas.Session, joins ...boreas.Join) []boreas.Joined {
	return s.Join(context.Background(), joins, func(dst []byte, results []boreas.Joined) []byte { return joinLine(dst, joins, results) })
}

func (w world) head(channel string) engine.Position {
	w.Helper()
	h, err := w.hub.History(context.Background(), channel, engine.Position{}, engine.Limit{})
	if err != nil {
		w.Fatal(err)
	}
	return h.Head
}

func (w world) publishUpTo(channel string, first, last int) {
	w.Helper()
	for i := first; i <= last; i++ {
		w.publish(channel, fmt.Sprint(i))
	}
}

// clauses 4.3, 4.4, 4.5, 4.6, 4.7: the position at which a stream starts. The answer comes first.
func TestStartOfAJoin(t *testing.T) {
	for _, c := range []struct {
		name      string
		join      func(engine.Position) boreas.Join
		joined    string
		then      []string
		published int
	}{
		{"from now on", func(engine.Position) boreas.Join { return boreas.Join{} }, "joined news@5", span("news", 6, 6), 5},
		{"never a message", func(engine.Position) boreas.Join { return boreas.Join{Last: 3} }, "joined news@0", span("news", 1, 1), 0},
		{"last two", func(engine.Position) boreas.Join { return boreas.Join{Last: 2} }, "joined news@3", span("news", 4, 6), 5},
		{"more than are kept", func(engine.Position) boreas.Join { return boreas.Join{Last: 1 << 30} }, "joined news@0", span("news", 1, 6), 5},
		{"since the second", func(p engine.Position) boreas.Join { p.Offset = 2; return boreas.Join{Since: p} }, "joined news@2 recovered", span("news", 3, 6), 5},
		{"since the head", func(p engine.Position) boreas.Join { return boreas.Join{Since: p} }, "joined news@5 recovered", span("news", 6, 6), 5},
		{"since wins over last", func(p engine.Position) boreas.Join { p.Offset = 4; return boreas.Join{Since: p, Last: 3} }, "joined news@4 recovered", span("news", 5, 6), 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, boreas.Options{}, func(w world) {
				w.publishUpTo("news", 1, c.published)
				s, conn := w.announced()
				j := c.join(w.head("news"))
				j.Channel = "news"
				w.joins(s, j)
				w.publish("news", fmt.Sprint(c.published+1))
				w.want(conn, append([]string{c.joined}, c.then...)...)
			})
		})
	}
}

// clauses 4.8, 5.4: positions that cannot be recovered, and the position at which the stream goes
// on.
func TestUnrecoverablePositions(t *testing.T) {
	for _, c := range []struct {
		name   string
		since  engine.Position // Epoch 1 stands for the log's real epoch
		last   int
		joined string
		then   []string
	}{
		{"expired", engine.Position{Epoch: 1, Offset: 2 * offsetStep}, 0, "joined news@10 gap expired 2-10 oldest 6", nil},
		{"expired, the rest", engine.Position{Epoch: 1, Offset: 2 * offsetStep}, 1000, "joined news@6 gap expired 2-6 oldest 6", span("news", 7, 10)},
		{"expired by one", engine.Position{Epoch: 1, Offset: 5 * offsetStep}, 2, "joined news@8 gap expired 5-8 oldest 6", span("news", 9, 10)},
		{"just not expired", engine.Position{Epoch: 1, Offset: 6 * offsetStep}, 0, "joined news@6 recovered", span("news", 7, 10)},
		{"another epoch", engine.Position{Epoch: 99, Offset: 8 * offsetStep}, 0, "joined news@10 gap unknown_epoch 8-10 oldest 6", nil},
		{"ahead", engine.Position{Epoch: 1, Offset: 11 * offsetStep}, 0, "joined news@10 gap ahead 11-10 oldest 6", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				e := newMemory(memory.Options{Messages: 4})
				defer e.Close()
				w := world{t, boreas.New(boreas.Options{Engine: e})}
				defer w.hub.Shutdown(context.Background(), 0)
				w.publishUpTo("news", 1, 10)
				if c.since.Epoch == 1 {
					c.since.Epoch = w.head("news").Epoch
				}
				s, conn := w.announced()
				w.joins(s, boreas.Join{Channel: "news", Since: c.since, Last: c.last})
				w.publish("news", "11")
				w.want(conn, append(append([]string{c.joined}, c.then...), "news 11 11")...)
				gaps := w.hub.Stats().Gaps
				if n := gaps.Expired + gaps.UnknownEpoch + gaps.Ahead; (n == 1) != strings.Contains(c.joined, "gap") {
					t.Errorf("gaps counted: %+v", gaps)
				}
			})
		})
	}
}

// clause 4.11: a client that resumes may request all messages that are kept (clause 4.8) even
// without the verb history. Then it receives the same as from a join without last.
func TestLastOfAResumeNeedsHistory(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		w.publishUpTo("news", 1, 3)
		lost := engine.Position{Epoch: 99, Offset: 1 * offsetStep}
		for verbs, want := range map[access.Verb][]string{
			access.VerbJoin:                      {"joined news@3 gap unknown_epoch 1-3 oldest 0"},
			access.VerbJoin | access.VerbHistory: append([]string{"joined news@0 gap unknown_epoch 1-0 oldest 0"}, span("news", 1, 3)...),
		} {
			s, c := w.as(grantOf(t, "u", access.Permission{Pattern: "*", Allow: verbs}))
			w.joins(s, boreas.Join{Channel: "news", Since: lost, Last: 1 << 30})
			w.want(c, want...)
			s.Leave("news")
			if err := s.Join(context.Background(), []boreas.Join{{Channel: "news", Last: 1}}, nil)[0].Err; (err == nil) != (verbs&access.VerbHistory != 0) {
				t.Errorf("last alone, with %v: %v", verbs, err)
			}
		}
	})
}

// clause 4.9: a join at the head is recovered even after the messages have expired.
func TestNothingNewAfterExpiry(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		w.publishUpTo("news", 1, 3)
		head := w.head("news")
		w.pass(30 * time.Minute) // longer than messages are kept
		s, conn := w.announced()
		w.joins(s, boreas.Join{Channel: "news", Since: head})
		w.publish("news", "4")
		w.want(conn, "joined news@3 recovered", "news 4 4")
	})
}

// clauses 4.2, 4.10, 4.11: results are per channel.
func TestJoinResultsArePerChannel(t *testing.T) {
	var rules *boreas.Rules
	rules = rules.Add(boreastest.Pattern("full"), boreas.Rule{MaxSubscribers: 1})
	inWorld(t, boreas.Options{MaxChannels: 5, Rules: rules}, func(w world) {
		w.announced("full")
		s, conn := w.announced("a")
		own := errors.New("the transport's own")
		since := engine.Position{Epoch: 1, Offset: 1 * offsetStep}
		w.joins(s,
			boreas.Join{Channel: "b"}, boreas.Join{Channel: "b"}, boreas.Join{Channel: "a"},
			boreas.Join{Channel: "a", Since: since}, boreas.Join{Channel: "b", Last: 1},
			boreas.Join{Channel: ""}, boreas.Join{Channel: "c", Err: own}, boreas.Join{Channel: "full"},
			boreas.Join{Channel: "d", Watch: true}, boreas.Join{Channel: "e", Info: make([]byte, boreas.MaxInfo+1)},
			boreas.Join{Channel: "f"}, boreas.Join{Channel: "g"}, boreas.Join{Channel: "h"}, boreas.Join{Channel: "i"},
		)
		already := ": " + boreas.ErrAlreadyJoined.Error()
		w.want(conn, "joined b@0", "joined b@0", "joined a@0", "joined a"+already, "joined b"+already,
			"joined : not a channel name: it is empty", "joined c: the transport's own", "joined full: "+boreas.ErrTooManySubscribers.Error(),
			"joined d: "+boreas.ErrNoPresence.Error(), "joined e: "+boreas.ErrInfoTooLarge.Error(),
			"joined f@0", "joined g@0", "joined h@0", "joined i: "+boreas.ErrTooManyChannels.Error())
		if got := w.hub.Stats(); got.Channels != 6 || got.Subscriptions != 6 || got.JoinsRefused != 2 {
			t.Errorf("%d channels, %d subscriptions, %d refused", got.Channels, got.Subscriptions, got.JoinsRefused)
		}
		s.Lost(context.Canceled)
		if got := w.hub.Stats(); got.Channels != 1 {
			t.Errorf("%d channels remain, want 1", got.Channels)
		}
	})
}

// clause 4.7: a publication falls between any two steps of a resume and of the reads after it.
func TestPublishDuringResume(t *testing.T) {
	for _, step := range []string{"before follow", "after follow", "before read", "after read", "write", "all"} {
		for _, room := range []int{-1, 9} {
			t.Run(fmt.Sprintf("%s, room %d", step, room), func(t *testing.T) {
				betweenWorld(t, func(w world, between *boreastest.Between) {
					n, left := 600, 0
					during := func() {
						if left > 0 {
							left--
							n++
							w.publish("news", fmt.Sprint(n))
						}
					}
					hook := func(string) { during() }
					w.publishUpTo("news", 1, 600)
					since := w.head("news")
					since.Offset = 50 * offsetStep
					conn := &boreastest.Conn{Form: boreastest.Announcing{}}
					set := func(name string, to *func(string)) {
						if step == name || step == "all" {
							*to = hook
						}
					}
					set("before follow", &between.BeforeFollow)
					set("after follow", &between.AfterFollow)
					set("before read", &between.BeforeRead)
					set("after read", &between.AfterRead)
					if step == "write" || step == "all" {
						conn.OnWrite = during
					}
					s := w.subscribe(conn)
					left = 1
					if step == "all" {
						left = 10
					}
					if room >= 0 {
						conn.Bound(room)
					}
					w.joins(s, boreas.Join{Channel: "news", Since: since})
					w.settle()
					conn.Unbound()
					w.settle()
					if left > 0 {
						t.Fatalf("%d publications were not made: the step is not reached", left)
					}
					w.want(conn, append([]string{"joined news@50 recovered"}, span("news", 51, n)...)...)
				})
			})
		}
	}
}

// clause 5.7: TestEvictDuringResume evicts messages after the answer has promised to recover them.
func TestEvictDuringResume(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		between := &boreastest.Between{Engine: newMemory(memory.Options{Messages: 600})}
		defer between.Close()
		w := world{t, boreas.New(boreas.Options{Engine: between})}
		defer w.hub.Shutdown(context.Background(), 0)
		w.publishUpTo("news", 1, 600)
		since := w.head("news")
		since.Offset = 50 * offsetStep
		reads := 0
		between.BeforeRead = func(string) {
			if reads++; reads == 2 { // the first read was part of the answer
				w.publishUpTo("news", 601, 1000)
			}
		}
		s, conn := w.announced()
		w.joins(s, boreas.Join{Channel: "news", Since: since})
		w.settle()
		got := conn.Lines()
		n := slices.IndexFunc(got, func(line string) bool { return strings.Contains(line, "gap") })
		if n < 2 {
			t.Fatalf("no gap: %q", got)
		}
		last := 50 + n - 1
		want := append([]string{"joined news@50 recovered"}, span("news", 51, last)...)
		want = append(want, fmt.Sprintf("news gap slow %d-400", last))
		if diff := cmp.Diff(sparseLines(append(want, span("news", 401, 1000)...)), got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestEndDuringJoin ends the session between two steps of its join.
func TestEndDuringJoin(t *testing.T) {
	for _, step := range []string{"before follow", "after follow", "after read"} {
		for name, act := range map[string]func(*boreas.Session){
			"end":            func(s *boreas.Session) { s.End(context.Canceled) },
			"lost":           func(s *boreas.Session) { s.Lost(context.Canceled) },
			"deauthenticate": func(s *boreas.Session) { s.Deauthenticate() },
		} {
			t.Run(step+", "+name, func(t *testing.T) {
				betweenWorld(t, func(w world, between *boreastest.Between) {
					w.publishUpTo("news", 1, 5)
					since := w.head("news")
					since.Offset = 2 * offsetStep
					s, conn := w.announced()
					hook := func(string) { act(s) }
					switch step {
					case "before follow":
						between.BeforeFollow = hook
					case "after follow":
						between.AfterFollow = hook
					case "after read":
						between.AfterRead = hook
					}
					if got := w.joins(s, boreas.Join{Channel: "news", Since: since})[0].Err; got != engine.ErrClosed {
						t.Errorf("joined: %v", got)
					}
					w.publish("news", "6")
					w.settle()
					if strings.Contains(conn.Taken(), "news") {
						t.Errorf("received %q", conn.Taken())
					}
					if got := w.hub.Stats().Channels; got != 0 {
						t.Errorf("%d channels remain", got)
					}
				})
			})
		}
	}
}

// clause 5.2: subscribers with the classic protocol and with protocol 2 receive the same messages
// in the same order.
func TestAllFormatsReceiveTheSame(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		_, a := w.subscriber("news")
		_, b := w.announced("news")
		names := []string{"news"}
		c := &boreastest.Conn{Form: boreastest.Personal{Channels: &names}}
		w.subscribe(c, "news")
		for i := range 1000 {
			w.publish("news", fmt.Sprint(i+1))
			if i%7 == 0 {
				w.settle()
			}
		}
		w.settle()
		if diff := cmp.Diff(a.Lines(), b.Lines()); diff != "" {
			t.Error(diff)
		}
		var want []string
		for i, line := range a.Lines() {
			want = append(want, fmt.Sprintf("%s @%d", line, i+1))
		}
		if diff := cmp.Diff(want, c.Lines()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestJoinWritesOnce: the answer and the messages that a join asks for are one write, and nothing
// else is flushed.
func TestJoinWritesOnce(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		w.publishUpTo("news", 1, 5)
		s, c := w.announced()
		before := c.Writes()
		w.joins(s, boreas.Join{Channel: "news", Last: 3})
		w.settle()
		if got := c.Writes() - before; got != 1 {
			t.Errorf("the join took %d writes", got)
		}
		w.publish("news", "6")
		w.settle()
		if lines := c.Lines(); len(lines) != 5 || !strings.HasPrefix(lines[0], "joined news@") || !strings.HasSuffix(lines[4], " 6") {
			t.Errorf("got %q", lines)
		}
	})
}
