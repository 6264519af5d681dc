package boreas_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

var errLost = errors.New("the store was lost")

// clause 5.8: TestReset resets the logs of sessions that are up to date, behind, and blocked.
func TestReset(t *testing.T) {
	inShared(t, func(w world, e *boreastest.Shared) {
		s, c := w.announced("news", "sport")
		_, plain := w.subscriber("sport")
		_, classic := w.subscriber("news")
		_, blocked := w.announced("news")
		w.publish("news", "1")
		w.settle()
		blocked.Bound(8) // a part of the next message
		w.publish("news", "2")
		w.publish("news", "3")
		w.settle()
		e.Lose(0, errLost) // the new life has lower offsets
		w.publish("news", "4")
		w.publish("sport", "5")
		w.settle()
		w.want(c, "news 1 1", "news 2 2", "news 3 3", "news gap unknown_epoch 3-0", "sport gap unknown_epoch 0-0", "news 1 4", "sport 2 5")
		w.want(classic, "news 1 1", "news 2 2", "news 3 3", "end: "+boreas.ErrLogReset.Error())
		w.want(plain, "end: "+boreas.ErrLogReset.Error())
		blocked.Unbound()
		w.settle()
		w.want(blocked, "news 1 1", "news 2 2", "news gap unknown_epoch 2-0", "news 1 4")
		if gaps := w.hub.Stats().Gaps; gaps != (boreas.Gaps{UnknownEpoch: 3}) {
			t.Errorf("gaps counted: %+v", gaps)
		}
		e.Lose(10, errLost)
		w.publish("news", "6")
		w.settle()
		w.want(c, "news 1 1", "news 2 2", "news 3 3", "news gap unknown_epoch 3-0", "sport gap unknown_epoch 0-0", "news 1 4", "sport 2 5",
			"news gap unknown_epoch 1-10", "sport gap unknown_epoch 2-10", "news 11 6")
		if got := w.joins(s, boreas.Join{Channel: "news"})[0].Position; got != w.head("news") {
			t.Errorf("the session is at %v, want %v", got, w.head("news"))
		}
		w.wantQuiet(e)
	})
}

// A session that catches up from the log is notified of the reset, and not of being too slow.
func TestResetWhileCatchingUp(t *testing.T) {
	inShared(t, func(w world, e *boreastest.Shared) {
		_, c := w.announced("news")
		c.Bound(0)
		long := strings.Repeat("x", 1<<20)
		for range 10 { // more than the window holds
			w.publish("news", long)
		}
		w.settle()
		e.Lose(3, errLost)
		w.publish("news", "after")
		w.pass(time.Second)
		c.Unbound()
		w.pass(time.Minute)
		lines := strings.Split(strings.TrimSpace(c.Taken()), "\n")
		if got, want := strings.Join(lines[len(lines)-2:], "|"), "-3|news 4 after"; !strings.HasSuffix(got, want) || !strings.HasPrefix(lines[len(lines)-2], "news gap unknown_epoch") {
			t.Errorf("the last lines are %.200q, want a gap to 3 and the message after it", got)
		}
	})
}

// resets is an engine that resets its log at chosen moments.
type resets struct {
	*boreastest.Shared
	beforeFollow, afterRead func()
}

func (e *resets) Follow(ctx context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	head, stop, err := e.Shared.Follow(ctx, channel, to)
	call(&e.beforeFollow)
	return head, stop, err
}

func (e *resets) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	h, err := e.Shared.Read(ctx, channel, since, limit)
	call(&e.afterRead)
	return h, err
}

// call calls the function the first time, and does nothing after that.
func call(f *func()) {
	if once := *f; once != nil {
		*f = nil
		once()
	}
}

// TestResetDuringJoin resets the log before Follow has returned, and between the Read of a join and
// the subscription.
func TestResetDuringJoin(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := &resets{Shared: boreastest.NewShared(0)}
		defer e.Close()
		w := world{t, boreas.New(boreas.Options{Engine: e})}
		defer w.hub.Shutdown(context.Background(), 0)
		for i := range 5 {
			w.publish("news", fmt.Sprint(i+1))
		}
		e.beforeFollow = func() { e.Lose(50, errLost) }
		_, c := w.announced("news")
		w.publish("news", "a")
		w.settle()
		w.want(c, "news 51 a")

		s, d := w.announced()
		at := w.head("news")
		w.publish("news", "b")
		w.publish("news", "c")
		e.afterRead = func() { e.Lose(7, errLost) }
		w.joins(s, boreas.Join{Channel: "news", Since: at})
		w.publish("news", "d")
		w.settle()
		w.want(d, "joined news@51 recovered", "news 52 b", "news 53 c", "news gap unknown_epoch 53-7", "news 8 d")

		s, d = w.announced()
		e.afterRead = func() { e.Lose(7, errLost) }
		w.joins(s, boreas.Join{Channel: "news", Last: 1})
		w.publish("news", "e")
		w.settle()
		w.want(d, "joined news@7", "news 8 d", "news gap unknown_epoch 8-7", "news 8 e")
	})
}

// slowReset is an engine whose Read uses a new epoch before its followers hear of the reset.
type slowReset struct {
	*boreastest.Shared
	follower engine.Follower
	epoch    uint64
}

func (e *slowReset) Follow(ctx context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	e.follower = to
	return e.Shared.Follow(ctx, channel, to)
}

func (e *slowReset) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	h, err := e.Shared.Read(ctx, channel, engine.Position{}, limit)
	if e.epoch != 0 {
		h.Head.Epoch, h.Floor.Epoch = e.epoch, e.epoch
		if !since.IsZero() && since.Epoch != e.epoch {
			err = engine.ErrUnknownEpoch
		}
	}
	return h, err
}

// A join that reads the new epoch waits for the reset, but not longer than for a call of the
// engine.
func TestJoinBeforeTheReset(t *testing.T) {
	for _, comes := range []bool{true, false} {
		t.Run(fmt.Sprint(comes), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				e := &slowReset{Shared: boreastest.NewShared(4)}
				defer e.Close()
				w := world{t, boreas.New(boreas.Options{Engine: e})}
				defer w.hub.Shutdown(context.Background(), 0)
				w.announced("news")
				at := w.head("news")
				e.epoch = at.Epoch + 1
				if comes {
					time.AfterFunc(time.Second, func() { e.follower.Reset(engine.Position{Epoch: e.epoch, Offset: 20}, errLost) })
				}
				s, c := w.announced()
				start := time.Now()
				w.joins(s, boreas.Join{Channel: "news", Since: at})
				w.settle()
				if comes {
					w.want(c, "joined news@20 gap unknown_epoch 4-20 oldest 0")
				} else {
					w.want(c, "joined news: "+boreas.ErrEngineTimeout.Error())
				}
				if got := time.Since(start); got > boreas.DefaultEngineTimeout {
					t.Errorf("it took %v", got)
				}
			})
		})
	}
}

// TestJoinWithContext ends the context of one join while the engine starts to follow the channel.
// The other join must not be affected, and nothing may be left behind.
func TestJoinWithContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := &slowFollow{Engine: boreastest.NewShared(0)}
		defer e.Close()
		w := world{t, boreas.New(boreas.Options{Engine: e})}
		defer w.hub.Shutdown(context.Background(), 0)
		first, _ := w.subscriber()
		second, c := w.subscriber()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		joined := make(chan error, 1)
		go func() { joined <- join(second, "news") }()
		start := time.Now()
		r := first.Join(ctx, []boreas.Join{{Channel: "news"}, {Channel: "sport"}}, nil)
		if got := time.Since(start); r[0].Err != context.DeadlineExceeded || r[1].Err != context.DeadlineExceeded || got > 2*time.Second {
			t.Errorf("the joins returned %v and %v after %v", r[0].Err, r[1].Err, got)
		}
		if err := <-joined; err != nil {
			t.Errorf("the other join: %v", err)
		}
		w.publish("news", "1")
		w.settle()
		w.want(c, "news 1 1")
		second.Leave("news")
		w.pass(time.Minute)
		if n := boreas.ChannelsHeld(w.hub); n != 0 {
			t.Errorf("%d channels are held", n)
		}
	})
}

// slowFollow is an engine that takes three seconds to follow a channel.
type slowFollow struct{ engine.Engine }

func (e *slowFollow) Follow(ctx context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	time.Sleep(3 * time.Second)
	return e.Engine.Follow(ctx, channel, to)
}

// TestResetsAtRandom makes random calls: it publishes, resets, blocks and joins. Between two gaps,
// every subscriber must receive each message once and in order. The next messages start where the
// gap ends.
func TestResetsAtRandom(t *testing.T) {
	for seed := range uint64(20) {
		inShared(t, func(w world, e *boreastest.Shared) {
			r := rand.New(rand.NewPCG(seed, 0))
			var conns []*boreastest.Conn
			for range 30 {
				_, c := w.announced("news")
				conns = append(conns, c)
			}
			n := 0
			for range 300 {
				switch c, k := conns[r.IntN(len(conns))], r.IntN(20); {
				case k < 12:
					n++
					w.publish("news", fmt.Sprint(n))
				case k < 14:
					c.Bound(r.IntN(30))
				case k < 16:
					c.Unbound()
				case k < 17:
					e.Lose(uint64(r.IntN(20)), errLost)
				case k < 18:
					s := c.Session()
					s.Leave("news")
					w.joins(s, boreas.Join{Channel: "news", Last: r.IntN(3)})
				default:
					w.settle()
				}
			}
			for _, c := range conns {
				c.Unbound()
			}
			w.pass(time.Minute)
			n++
			w.publish("news", fmt.Sprint(n))
			w.settle()
			for i, c := range conns {
				checkResets(t, fmt.Sprintf("seed %d, session %d", seed, i), c.Taken(), n)
			}
		})
	}
}

// checkResets checks the lines of one session, up to the last message.
func checkResets(t *testing.T, name, text string, last int) {
	t.Helper()
	offset, message, apart := uint64(0), 0, true // apart: the next message may follow a gap
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		var at, from, to uint64
		var n int
		var reason string
		switch {
		case strings.HasPrefix(line, "joined"):
			apart, offset, message = true, 0, 0
			continue
		case scan(line, "news gap %s %d-%d", &reason, &from, &to):
			if from != offset && offset != 0 {
				t.Errorf("%s: %q follows offset %d", name, line, offset)
			}
			apart, offset = true, to
			continue
		case !scan(line, "news %d %d", &at, &n):
			t.Errorf("%s: line %q", name, line)
			continue
		}
		if !apart && (n != message+1 || at != offset+1) || n <= message || apart && offset != 0 && at <= offset {
			t.Errorf("%s: %q follows message %d at %d", name, line, message, offset)
		}
		offset, message, apart = at, n, false
	}
	if message != last {
		t.Errorf("%s: the last message is %d, want %d", name, message, last)
	}
}

func scan(line, format string, values ...any) bool {
	n, err := fmt.Sscanf(line, format, values...)
	return err == nil && n == len(values)
}

// TestPublishMany publishes through the hub, with an engine that is a Batcher and with one that is
// not.
func TestPublishMany(t *testing.T) {
	for _, many := range []bool{true, false} {
		t.Run(fmt.Sprint(many), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := &batcher{Engine: boreastest.NewShared(0)}
				var e engine.Engine = b
				if !many {
					e = b.Engine
				}
				defer e.Close()
				w := world{t, boreas.New(boreas.Options{Engine: e})}
				defer w.hub.Shutdown(context.Background(), 0)
				_, c := w.subscriber("news")
				var got []string
				items := []engine.Item{
					{Channel: "news", Message: engine.Message{Data: []byte("1"), Key: "k"}},
					{Channel: "", Message: engine.Message{Data: []byte("2")}},
					{Channel: "news", Message: engine.Message{Data: []byte("3"), Key: strings.Repeat("k", engine.MaxKey+1)}},
					{Channel: "news", Message: engine.Message{Data: []byte("1"), Key: "k"}},
					{Channel: "news", Message: engine.Message{Data: []byte("4")}},
				}
				for _, r := range w.hub.PublishMany(context.Background(), items) {
					switch {
					case errors.Is(r.Err, access.ErrChannelName):
						got = append(got, "name")
					case r.Err != nil:
						got = append(got, r.Err.Error())
					default:
						got = append(got, fmt.Sprint(r.Ack.Position.Offset, " ", r.Ack.Duplicate))
					}
				}
				if want := []string{"1 false", "name", boreas.ErrKey.Error(), "1 true", "2 false"}; fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got %q, want %q", got, want)
				}
				w.settle()
				w.want(c, "news 1 1", "news 2 4")
				if s := w.hub.Stats(); s.Publishes != 2 || s.Duplicates != 1 || many && b.calls != 1 {
					t.Errorf("%d publishes, %d duplicates, %d calls", s.Publishes, s.Duplicates, b.calls)
				}
			})
		})
	}
}

// batcher is an [engine.Batcher].
type batcher struct {
	engine.Engine
	calls int
}

func (e *batcher) PublishMany(ctx context.Context, items []engine.Item) []engine.Result {
	e.calls++
	results := make([]engine.Result, len(items))
	for i, item := range items {
		results[i].Ack, results[i].Err = e.Publish(ctx, item.Channel, item.Message)
	}
	return results
}

func TestBatcherIsAnEngine(t *testing.T) {
	boreastest.TestEngine(t, func(*testing.T) engine.Engine { return &batcher{Engine: boreastest.NewShared(0)} })
}

// hooked is Announcing with a function that is called once, just before the message 1 is appended.
type hooked struct {
	boreastest.Announcing
	hook *func()
}

func (f hooked) AppendPublication(dst []byte, channel string, epoch uint64, p *engine.Publication) []byte {
	if string(p.Data) == "1" {
		call(f.hook)
	}
	return f.Announcing.AppendPublication(dst, channel, epoch, p)
}

// TestResetWhileWriting resets a log while a batch with its publications is made. The batch must
// contain nothing of the new life, and what the sweep has done must not count for the new life.
func TestResetWhileWriting(t *testing.T) {
	for name, own := range map[string]bool{"own batch": true, "shared batch": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				e := boreastest.NewShared(40) // so that the offsets of the old life are higher
				defer e.Close()
				w := world{t, boreas.New(boreas.Options{Engine: e, Rules: publishing(false)})}
				defer w.hub.Shutdown(context.Background(), 0)
				hook := func() {
					e.Lose(5, errLost)
					w.publish("news", "new")
				}
				c := &boreastest.Conn{Form: hooked{hook: &hook}}
				s := w.subscribe(c, "news")
				at := 41
				if own { // a message of its own, which it does not want back
					w.silently(s, "own", "", nil)
					at++
				}
				w.publish("news", "1")
				w.want(c, fmt.Sprintf("news %d 1", at), fmt.Sprintf("news gap unknown_epoch %d-5", at), "news 6 new")
				if got := e.Reads(); got != 0 {
					t.Errorf("%d reads of the log, and the window had everything", got)
				}
			})
		})
	}
}

// forgetful is a batcher that returns a result too few.
type forgetful struct{ batcher }

func (e *forgetful) PublishMany(ctx context.Context, items []engine.Item) []engine.Result {
	return e.batcher.PublishMany(ctx, items)[1:]
}

// An engine that returns too few results fails all messages of the call: it is not known to which
// message a result belongs.
func TestPublishManyWithTooFewResults(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := &forgetful{batcher{Engine: boreastest.NewShared(0)}}
		defer e.Close()
		hub := boreas.New(boreas.Options{Engine: e})
		defer hub.Shutdown(context.Background(), 0)
		item := engine.Item{Channel: "news", Message: engine.Message{Data: []byte("1")}}
		for i, r := range hub.PublishMany(context.Background(), []engine.Item{item, item}) {
			if r.Err == nil || !strings.Contains(r.Err.Error(), "1 results for 2 messages") {
				t.Errorf("result %d: %v", i, r.Err)
			}
		}
	})
}

// An engine that resets all its channels is logged once per second, and not once per channel.
func TestResetsAreLoggedOncePerSecond(t *testing.T) {
	var log strings.Builder
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	inShared(t, func(w world, e *boreastest.Shared) {
		w.announced("a", "b", "c")
		e.Lose(0, errLost)
		w.pass(2 * time.Second)
		e.Lose(0, errLost)
		w.settle()
	})
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "channel=a") || !strings.HasSuffix(lines[0], "resets=1") || !strings.HasSuffix(lines[1], "resets=4") {
		t.Errorf("logged:\n%s", log.String())
	}
}
