package nodes

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recorder is a watcher that records its calls.
type recorder struct {
	digest string
	mu     sync.Mutex
	calls  []string
}

func (r *recorder) record(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
}

func (r *recorder) Joined(n Node)                       { r.record("%s joined", n.Name) }
func (r *recorder) Ended(n Node)                        { r.record("%s ended", n.Name) }
func (r *recorder) Told(n Node, content []byte)         { r.record("%s told %s", n.Name, content) }
func (r *recorder) Beat(n Node, digest json.RawMessage) { r.record("%s beat %s", n.Name, digest) }
func (r *recorder) Digest() json.RawMessage             { return json.RawMessage(r.digest) }

func (r *recorder) saw(t *testing.T, when string, want ...string) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := cmp.Diff(want, r.calls); diff != "" {
		t.Errorf("%s:\n%s", when, diff)
	}
	r.calls = nil
}

func TestWatch(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a, b := w.open("a"), w.open("b")
		atA, atB := &recorder{digest: `"A"`}, &recorder{digest: `"B"`}
		a.Watch(atA)
		atA.saw(t, "at first", "b joined")
		b.Watch(atB)
		atA.saw(t, "b watches", `b beat "B"`)
		atB.saw(t, "b watches", "a joined")
		for i := range 3 {
			if err := b.Tell(fmt.Append(nil, i)); err != nil {
				t.Error(err)
			}
		}
		atA.saw(t, "b tells", "b told 0", "b told 1", "b told 2")
		atB.saw(t, "b tells")
		time.Sleep(BeatInterval)
		atA.saw(t, "a beat later", `b beat "B"`)

		if err := b.Tell(make([]byte, MaxTell+1)); err == nil || !strings.Contains(err.Error(), "262145 bytes, and 262144 are allowed") {
			t.Error(err)
		}
		for _, message := range []string{"x", "{}\n", `{"v":2,"incarnation":"` + b.Incarnation() + `"}` + "\n", `{"v":1,"incarnation":"0123456789abcdef"}` + "\n"} {
			a.heard("node.b.presence", []byte(message))
		}
		a.heard("node.c.presence", encode(told{1, b.Incarnation()}, nil))
		atA.saw(t, "messages that are not of b")
		b.Close()
		atA.saw(t, "b closes", "b ended")
		c := w.open("c")
		w.crash(c)
		w.settle(2 * DeadAfter)
		atA.saw(t, "c comes and dies", "c joined", "c ended")
		a.Watch(nil)
		w.open("d")
		atA.saw(t, "a does not watch any more")
	})
}

// Each message of a node is a sign of life, so many contents before a beat do not end the node.
func TestTellIsASignOfLife(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a, b := w.open("a"), w.open("b")
		w.network.mu.Lock()
		w.network.fate = func(_, subject string) int {
			if strings.HasSuffix(subject, ".beat") {
				return 0
			}
			return 1
		}
		w.network.mu.Unlock()
		for range 10 {
			w.settle(DeadAfter / 2)
			if err := b.Tell(nil); err != nil {
				t.Error(err)
			}
		}
		w.sees(a, "without beats", "b")
	})
}
