package nodes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func echo(g *Group) {
	g.Handle("echo", func(_ context.Context, question []byte) []byte { return append([]byte(g.name+" "), question...) })
}

// asks asks and compares the answers.
func (w town) asks(g *Group, kind string, answers map[string]string, silent ...string) {
	w.Helper()
	if silent == nil {
		silent = []string{}
	}
	got, gotSilent := g.Ask(w.Context(), kind, []byte("?"))
	texts := make(map[string]string)
	for name, answer := range got {
		texts[name] = string(answer)
	}
	if diff := cmp.Diff(answers, texts); diff != "" {
		w.Errorf("the answers to %s:\n%s", kind, diff)
	}
	if diff := cmp.Diff(silent, gotSilent); diff != "" {
		w.Errorf("silent at %s:\n%s", kind, diff)
	}
}

func TestAsk(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a := w.open("a")
		w.asks(a, "echo", map[string]string{})
		b, c := w.open("b"), w.open("c")
		for _, g := range []*Group{a, b, c} {
			echo(g)
			g.Handle("empty", func(context.Context, []byte) []byte { return []byte{} })
		}
		before := time.Now()
		w.asks(a, "echo", map[string]string{"b": "b ?", "c": "c ?"})
		w.asks(b, "echo", map[string]string{"a": "a ?", "c": "c ?"})
		w.asks(b, "empty", map[string]string{"a": "", "c": ""})
		if passed := time.Since(before); passed != 0 {
			t.Errorf("complete answers take %v", passed)
		}
		if got, err := a.AskOne(t.Context(), "c", "echo", []byte("!")); string(got) != "c !" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := a.AskOne(t.Context(), "d", "echo", nil); !errors.Is(err, ErrNotAlive) {
			t.Error(err)
		}
		if _, err := a.AskOne(t.Context(), "c", "unknown", nil); !errors.Is(err, ErrSilent) {
			t.Error(err)
		}
		c.Close()
		w.asks(c, "echo", map[string]string{}, "a", "b")
	})
}

// A node that says that it does not answer is not waited for.
func TestNodesThatCannotAnswer(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a, b, c := w.open("a"), w.open("b"), w.open("c")
		w.settle(startTime)
		for reason, answer := range map[string]func(context.Context, []byte) []byte{
			"it does not know questions of the kind":                  nil,
			"it could not answer":                                     func(context.Context, []byte) []byte { return nil },
			"its answer has 8388609 bytes, and 8388608 are allowed":   func(context.Context, []byte) []byte { return make([]byte, MaxAnswer+1) },
			"it could not answer; its log may have the reason, panic": func(context.Context, []byte) []byte { panic("in the handler") },
		} {
			kind := reason
			reason, _, _ = strings.Cut(reason, ",")
			c.Handle(kind, func(context.Context, []byte) []byte { return []byte("yes") })
			if answer != nil {
				b.Handle(kind, answer)
			}
			before := time.Now()
			w.asks(a, kind, map[string]string{"c": "yes"}, "b")
			if passed := time.Since(before); passed != 0 {
				t.Errorf("%s: %v", reason, passed)
			}
			w.logged(a, 1, "level=WARN msg=\"a node does not answer: results do not include it\" node=b reason=\""+reason)
			w.logs[a].Reset()
			w.settle(logInterval)
		}
		w.logged(b, 1, "panic: in the handler")
		w.asks(a, strings.Repeat("long", 10), map[string]string{}, "b", "c")
		if _, silent := a.Ask(t.Context(), "k", make([]byte, MaxQuestion+1)); len(silent) != 2 {
			t.Error("a question that is too long was answered")
		}
	})
}

func TestASilentNode(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a, b, c := w.open("a"), w.open("b"), w.open("c")
		echo(b)
		echo(c)
		c.Handle("slow", func(ctx context.Context, _ []byte) []byte { <-ctx.Done(); return []byte("late") })
		b.Handle("slow", func(context.Context, []byte) []byte { return []byte("fast") })
		w.settle(startTime)
		before := time.Now()
		w.asks(a, "slow", map[string]string{"b": "fast"}, "c")
		if passed := time.Since(before); passed != AskTimeout {
			t.Errorf("after %v", passed)
		}
		w.logged(a, 1, `level=WARN msg="a node does not answer in time: results do not include it" node=c question=slow timeout=1s`)
		w.logged(a, 0, "does not answer:")

		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		before = time.Now()
		if _, silent := a.Ask(short, "slow", nil); time.Since(before) != 100*time.Millisecond || len(silent) != 1 {
			t.Errorf("a shorter context: %v after %v", silent, time.Since(before))
		}

		w.crash(c)
		w.asks(a, "echo", map[string]string{"b": "b ?"}, "c")
		w.settle(DeadAfter)
		w.asks(a, "echo", map[string]string{"b": "b ?"})
	})
}

// The others ask as soon as they have heard the first beat. The node may set its handlers a bit later.
func TestAHandlerThatIsSetAfterAQuestion(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a, b := w.open("a"), w.open("b")
		time.AfterFunc(AskTimeout/2, func() {
			b.Handle("other", func(context.Context, []byte) []byte { return nil })
			echo(b)
		})
		before := time.Now()
		w.asks(a, "echo", map[string]string{"b": "b ?"})
		if passed := time.Since(before); passed != AskTimeout/2 {
			t.Errorf("after %v", passed)
		}
		w.settle(startTime)
		before = time.Now()
		w.asks(a, "unknown", map[string]string{}, "b")
		if passed := time.Since(before); passed != 0 {
			t.Errorf("a question of an unknown kind: after %v", passed)
		}
	})
}

// A node that has just started may not answer yet. That is normal, and no warning.
func TestAStartingNode(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a, _ := w.open("a"), w.open("b")
		if _, err := a.AskOne(t.Context(), "b", "echo", nil); !errors.Is(err, ErrStarting) || !errors.Is(err, ErrSilent) {
			t.Error(err)
		}
		w.logged(a, 0, "level=WARN")
		w.logged(a, 1, `level=INFO msg="a node that has just started does not answer yet: results do not include it" node=b`)
		w.settle(startTime)
		if _, err := a.AskOne(t.Context(), "b", "echo", nil); !errors.Is(err, ErrSilent) || errors.Is(err, ErrStarting) {
			t.Error(err)
		}
		w.logged(a, 1, `level=WARN msg="a node does not answer: results do not include it" node=b`)
	})
}

// A node that leaves while it is asked is not waited for.
func TestANodeLeavesWhileItIsAsked(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a, b := w.open("a"), w.open("b")
		b.Handle("slow", func(ctx context.Context, _ []byte) []byte { <-ctx.Done(); return nil })
		time.AfterFunc(AskTimeout/4, b.Close)
		before := time.Now()
		w.asks(a, "slow", map[string]string{}, "b")
		if passed := time.Since(before); passed != AskTimeout/4 {
			t.Errorf("after %v", passed)
		}
	})
}

func TestAnswersInParts(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		w.network.fate = func(_, subject string) int {
			if strings.HasPrefix(subject, "answer.") {
				return 2
			}
			return 1
		}
		a, b := w.open("a"), w.open("b")
		small := w.network.bus("c")
		small.payload = maxHead + 10*minPart
		o, _ := w.options("c")
		c, err := open(t.Context(), o, small)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		synctest.Wait()
		for _, size := range []int{0, 1, minPart*10 - 1, minPart * 10, minPart*10 + 1, partSize - 1, partSize, partSize + 1, MaxAnswer} {
			want := make([]byte, size)
			for i := range want {
				want[i] = byte(i * i >> 8)
			}
			kind := fmt.Sprint(size)
			b.Handle(kind, func(context.Context, []byte) []byte { return want })
			c.Handle(kind, func(context.Context, []byte) []byte { return want[:min(size, 2*partSize)] })
			answers, silent := a.Ask(t.Context(), kind, nil)
			if !bytes.Equal(answers["b"], want) || !bytes.Equal(answers["c"], want[:min(size, 2*partSize)]) || len(silent) > 0 {
				t.Errorf("%d bytes: %d and %d, silent %v", size, len(answers["b"]), len(answers["c"]), silent)
			}
		}
		if a.asks.held != 0 || len(a.asks.waiting) != 0 {
			t.Errorf("%d bytes and %d questions are kept", a.asks.held, len(a.asks.waiting))
		}
	})
}

// Parts that do not belong to the answer have no effect, or make the node silent.
func TestHostileAnswers(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a, b := w.open("a"), w.open("b")
		b.Handle("never", func(ctx context.Context, _ []byte) []byte { <-ctx.Done(); return nil })
		right := answer{V: 1, ID: 0, From: "b", Incarnation: b.Incarnation(), Parts: 1}
		for name, c := range map[string]struct {
			change func(h *answer)
			ends   bool
		}{
			"the right one":        {func(*answer) {}, true},
			"another question":     {func(h *answer) { h.ID++ }, false},
			"another node":         {func(h *answer) { h.From = "c" }, false},
			"another incarnation":  {func(h *answer) { h.Incarnation = newIncarnation() }, false},
			"another version":      {func(h *answer) { h.V = 2 }, false},
			"no parts":             {func(h *answer) { h.Parts = 0 }, true},
			"parts below zero":     {func(h *answer) { h.Parts = -1 }, true},
			"too many parts":       {func(h *answer) { h.Parts = math.MaxInt }, true},
			"a part below zero":    {func(h *answer) { h.Part = -1 }, true},
			"a part after the end": {func(h *answer) { h.Part = 1 }, true},
			"not all parts":        {func(h *answer) { h.Parts = 2 }, false},
		} {
			done := make(chan time.Duration)
			go func() {
				before := time.Now()
				a.Ask(t.Context(), "never", nil)
				done <- time.Since(before)
			}()
			synctest.Wait()
			h := right
			h.ID = a.asks.next
			c.change(&h)
			a.asks.answered("", encode(h, []byte("content")))
			a.asks.answered("", []byte("garbage"))
			if passed := <-done; (passed == 0) != c.ends {
				t.Errorf("%s: ends after %v", name, passed)
			}
		}
	})
	inTown(t, func(t *testing.T, w town) { // too much of it
		a, b := w.open("a"), w.open("b")
		b.Handle("never", func(ctx context.Context, _ []byte) []byte { <-ctx.Done(); return nil })
		for part := range MaxAnswer/partSize + 1 {
			if part == 0 {
				go a.Ask(t.Context(), "never", nil)
				synctest.Wait()
			}
			h := answer{V: 1, ID: a.asks.next, From: "b", Incarnation: b.Incarnation(), Part: part, Parts: 100}
			a.asks.answered("", encode(h, make([]byte, partSize)))
		}
		w.logged(a, 1, "its answer is larger than 8388608 bytes")
		w.settle(2 * AskTimeout)
		a.asks.held = maxHeld - 1
		b.Handle("two", func(context.Context, []byte) []byte { return []byte("ab") })
		w.settle(logInterval)
		w.asks(a, "two", map[string]string{}, "b")
		w.logged(a, 1, "has no room for more")
	})
}

// A node answers a bounded number of questions at once, and says that it is busy to the others.
func TestAFloodOfQuestions(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a, b := w.open("a"), w.open("b")
		running, most := 0, 0
		var mu sync.Mutex
		b.Handle("wait", func(ctx context.Context, _ []byte) []byte {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		})
		echo(b)
		var all sync.WaitGroup
		for range 2 * maxAsks {
			all.Go(func() { a.Ask(t.Context(), "wait", nil) })
		}
		synctest.Wait()
		w.asks(a, "echo", map[string]string{}, "b")
		all.Wait()
		if most != maxHandlers {
			t.Errorf("%d handlers run at once", most)
		}
		w.logged(b, 1, "level=WARN msg=\"other nodes ask more than this node can answer at once")
		w.settle(AskTimeout)
		w.asks(a, "echo", map[string]string{"b": "b ?"})
	})
}

// Questions of a later version, and those that are none, are not answered.
func TestHostileQuestions(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a := w.open("a")
		calls := 0
		a.Handle("k", func(ctx context.Context, _ []byte) []byte {
			calls++
			if until, ok := ctx.Deadline(); !ok || time.Until(until) > AskTimeout {
				t.Errorf("it may take until %v", until)
			}
			return nil
		})
		right := question{V: 1, ID: 1, From: "b", Incarnation: newIncarnation(), Kind: "k", Wait: 100}
		for _, c := range []struct {
			change func(q *question)
			calls  int
		}{
			{func(*question) {}, 1},
			{func(q *question) { q.Wait = 1 << 40 }, 1},
			{func(q *question) { q.Wait = -1 }, 1},
			{func(q *question) { q.V = 2 }, 0},
			{func(q *question) { q.From = "*" }, 0},
			{func(q *question) { q.From = "" }, 0},
			{func(q *question) { q.Incarnation = ">" }, 0},
		} {
			calls = 0
			q := right
			c.change(&q)
			a.handlers.questioned("", encode(q, nil))
			synctest.Wait()
			if calls != c.calls {
				t.Errorf("%+v: %d calls", q, calls)
			}
		}
		a.handlers.questioned("", nil)
		a.handlers.questioned("", make([]byte, 100))
		w.logged(a, 1, "level=WARN msg=\"a question of another node cannot be read")
	})
}
