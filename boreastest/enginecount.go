package boreastest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// countAfter checks an [engine.Counter].
func countAfter(t *testing.T, e engine.Engine) {
	c, ok := e.(engine.Counter)
	if !ok {
		return
	}
	want := func(since engine.Position, n int) {
		t.Helper()
		if got := c.CountAfter("a", since); got != n {
			t.Errorf("%d publications after %v, want %d", got, since, n)
		}
	}
	start := read(t, e, "a", engine.Position{}, 0).Head
	want(start, 0)
	var all []engine.Position
	for i := range 10 {
		all = append(all, publish(t, e, "a", fmt.Sprint(i)))
		publish(t, e, "b", "other")
	}
	want(start, 10)
	for i, p := range all {
		want(p, 9-i)
	}
	for channel, n := range map[string]uint64{"a": 10, "b": 10, "c": 0} {
		if got := c.Published(channel); got != n {
			t.Errorf("%d publications on %s, want %d", got, channel, n)
		}
	}
	publish(t, e, "b", "another")
	publish(t, e, "bb", "one")
	for _, q := range []struct {
		prefix string
		limit  int
		want   []engine.Published
	}{
		{"", 10, []engine.Published{{Channel: "b", Count: 11}, {Channel: "a", Count: 10}, {Channel: "bb", Count: 1}}},
		{"", 2, []engine.Published{{Channel: "b", Count: 11}, {Channel: "a", Count: 10}}},
		{"bb", 10, []engine.Published{{Channel: "bb", Count: 1}}},
		{"x", 10, nil},
	} {
		if got := c.MostPublished(q.prefix, q.limit); !slices.Equal(got, q.want) {
			t.Errorf("the first %d channels with %q: %v, want %v", q.limit, q.prefix, got, q.want)
		}
	}
	want(engine.Position{Epoch: all[0].Epoch + 1, Offset: all[0].Offset}, 0)
	want(engine.Position{Epoch: all[9].Epoch, Offset: all[9].Offset + 5}, 0)
}
