package boreastest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// readBefore reads backwards, with [engine.Limit.Before].
func readBefore(t *testing.T, e engine.Engine) {
	none := read(t, e, "a", engine.Position{}, 0)
	var at []engine.Position
	for i := range 5 {
		publish(t, e, "b", "between")
		at = append(at, publish(t, e, "a", fmt.Sprintf(`"%d-------"`, i))) // 10 bytes each
	}
	publish(t, e, "b", "after")
	head := read(t, e, "a", engine.Position{}, 0).Head
	all := []string{`"0-------"`, `"1-------"`, `"2-------"`, `"3-------"`, `"4-------"`}
	const newest = math.MaxUint64
	for _, c := range []struct {
		since  engine.Position
		before uint64
		limit  engine.Limit // without Before
		want   []string
		more   bool
	}{
		{engine.Position{}, newest, engine.Limit{Messages: 10}, all, false},
		{engine.Position{}, newest, engine.Limit{Messages: 5}, all, false},
		{engine.Position{}, newest, engine.Limit{Messages: 2}, all[3:], true},
		{engine.Position{}, head.Offset, engine.Limit{Messages: 1000}, beforeHead(all, at, head), false},
		{engine.Position{}, at[4].Offset, engine.Limit{Messages: 2}, all[2:4], true},
		{engine.Position{}, at[4].Offset, engine.Limit{Messages: 4}, all[:4], false},
		{engine.Position{}, at[2].Offset, engine.Limit{Messages: 10}, all[:2], false},
		{engine.Position{}, at[0].Offset, engine.Limit{Messages: 10}, nil, false},
		{engine.Position{}, max(none.Floor.Offset, 1), engine.Limit{Messages: 10}, nil, false},
		{engine.Position{}, 1, engine.Limit{Messages: 10}, nil, false},
		{engine.Position{}, newest, engine.Limit{Messages: 10, Bytes: 1}, all[4:], true},
		{engine.Position{}, newest, engine.Limit{Messages: 10, Bytes: 20}, all[3:], true},
		{engine.Position{}, at[4].Offset, engine.Limit{Messages: 10, Bytes: 21}, all[1:4], true},
		{engine.Position{}, at[4].Offset, engine.Limit{Messages: 10, Bytes: 40}, all[:4], false},
		{engine.Position{}, at[4].Offset, engine.Limit{Messages: 1, Bytes: 40}, all[3:4], true},
		{at[0], newest, engine.Limit{Messages: 3}, all[2:], true},
		{at[0], newest, engine.Limit{Messages: 4}, all[1:], false},
		{at[0], at[3].Offset, engine.Limit{Messages: 10}, all[1:3], false},
		{at[0], at[3].Offset, engine.Limit{Messages: 10, Bytes: 10}, all[2:3], true},
		{at[3], at[2].Offset, engine.Limit{Messages: 10}, nil, false},
		{engine.Position{}, newest, engine.Limit{}, nil, true},
	} {
		limit := c.limit
		limit.Before = c.before
		h, err := e.Read(context.Background(), "a", c.since, limit)
		what := fmt.Sprintf("since %v with %+v", c.since, limit)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		wantTexts(t, what, h.Publications, c.want...)
		if h.More != c.more && limit.Messages != 0 {
			t.Errorf("%s: More is %v, want %v", what, h.More, c.more)
		}
		wantHead(t, h.Head, at[4])
	}
	beforeOfOtherReads(t, e, at)
}

// beforeHead returns those messages that are before the head, which is the last one's offset or a
// later one.
func beforeHead(all []string, at []engine.Position, head engine.Position) []string {
	if head == at[len(at)-1] {
		return all[:len(all)-1]
	}
	return all
}

// beforeOfOtherReads reads backwards with positions that are not valid, and from a channel without
// messages.
func beforeOfOtherReads(t *testing.T, e engine.Engine, at []engine.Position) {
	t.Helper()
	before := func(channel string, since engine.Position, offset uint64) (engine.History, error) {
		return e.Read(context.Background(), channel, since, engine.Limit{Messages: 10, Before: offset})
	}
	if h, err := before("none", engine.Position{}, math.MaxUint64); err != nil || len(h.Publications) > 0 || h.More {
		t.Errorf("the newest of an unknown channel: got %+v, error %v; want no publications", h, err)
	}
	other := engine.Position{Epoch: at[0].Epoch + 1, Offset: at[0].Offset}
	if _, err := before("a", other, math.MaxUint64); !errors.Is(err, engine.ErrUnknownEpoch) {
		t.Errorf("since another epoch: error %v, want ErrUnknownEpoch", err)
	}
	if _, err := before("a", engine.Position{}, at[4].Offset+maxAhead); !errors.Is(err, engine.ErrAhead) {
		t.Errorf("before an offset that is ahead: error %v, want ErrAhead", err)
	}
}

// pagesBackwards reads logs from their ends to their starts, page by page, while they grow.
func pagesBackwards(t *testing.T, e engine.Engine) {
	const messages = 20
	for _, page := range []int{1, 7, messages - 1, messages} {
		channel := fmt.Sprint("pages of ", page)
		var want, got []string
		for i := range messages {
			publish(t, e, "b", "between")
			publish(t, e, channel, fmt.Sprint(i))
			want = append(want, fmt.Sprint(i))
		}
		limit := engine.Limit{Messages: page, Before: math.MaxUint64}
		for more := true; more; {
			h, err := e.Read(context.Background(), channel, engine.Position{}, limit)
			if err != nil || len(h.Publications) == 0 {
				t.Fatalf("%s: %+v: %d publications, error %v; there were more", channel, limit, len(h.Publications), err)
			}
			got = append(texts(h.Publications), got...)
			limit.Before, more = h.Publications[0].Offset, h.More
			publish(t, e, channel, "later")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-published +read): %s", channel, diff)
		}
	}
}

// cut returns the publications that the limit allows, of those after the position of a read. More is
// that of the [engine.History].
func cut(pubs []*engine.Publication, limit engine.Limit) (kept []*engine.Publication, more bool) {
	backwards := limit.Before > 0
	if backwards {
		pubs = slices.DeleteFunc(slices.Clone(pubs), func(p *engine.Publication) bool { return p.Offset >= limit.Before })
		slices.Reverse(pubs)
	}
	if limit.Messages < 0 {
		pubs = pubs[max(len(pubs)+limit.Messages, 0):]
	}
	bytes := 0
	for i, p := range pubs {
		if limit.Messages >= 0 && i == limit.Messages || limit.Bytes > 0 && bytes >= limit.Bytes {
			more = true
			break
		}
		kept, bytes = append(kept, p), bytes+len(p.Data)
	}
	if backwards {
		slices.Reverse(kept)
	}
	return kept, more
}
