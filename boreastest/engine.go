package boreastest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// TestEngine checks the rules of [engine.Engine] with engines from open. Each engine must be new
// and empty. It must keep at least 1,000 publications per channel, and must remember keys for the
// duration of the test. An engine's test needs to call only TestEngine.
func TestEngine(t *testing.T, open func(t *testing.T) engine.Engine) {
	for _, r := range engineRules {
		t.Run(r.name, func(t *testing.T) { r.on(t, open(t)) })
	}
}

// rule is one of the rules that TestEngine checks.
type rule struct {
	name  string
	check func(*testing.T, engine.Engine)
}

func (r *rule) on(t *testing.T, e engine.Engine) {
	t.Cleanup(func() { e.Close() })
	r.check(t, e)
}

var engineRules = []rule{
	{"OffsetsIncrease", offsetsIncrease},
	{"ReadSince", readSince},
	{"ReadLimit", readLimit},
	{"ReadNewest", readNewest},
	{"ReadBytes", readBytes},
	{"ReadBefore", readBefore},
	{"PagesBackwards", pagesBackwards},
	{"PublishMany", publishMany},
	{"SenderIsKept", senderIsKept},
	{"KeyDuplicate", keyDuplicate},
	{"KeyReused", keyReused},
	{"KeyConcurrent", keyConcurrent},
	{"CountAfter", countAfter},
	{"EmptyLogHasBounds", emptyLogHasBounds},
	{"WrongPositions", wrongPositions},
	{"PositionsInHoles", positionsInHoles},
	{"FollowFromHead", followFromHead},
	{"FollowUntilStop", followUntilStop},
	{"ChannelsAreApart", channelsAreApart},
	{"ConcurrentPublish", concurrentPublish},
	{"FollowWhilePublishing", followWhilePublishing},
	{"Purge", purged},
	{"PurgeUnnoticed", purgedUnnoticed},
	{"PurgeWhilePublishing", purgedWhilePublishing},
	{"Close", closeEngine},
}

func publish(t *testing.T, e engine.Engine, channel, data string) engine.Position {
	t.Helper()
	ack, err := e.Publish(context.Background(), channel, engine.Message{Data: []byte(data)})
	if err != nil {
		t.Fatalf("Publish(%q, %s): %v", channel, data, err)
	}
	return ack.Position
}

func read(t *testing.T, e engine.Engine, channel string, since engine.Position, limit int) engine.History {
	t.Helper()
	h, err := e.Read(context.Background(), channel, since, engine.Limit{Messages: limit})
	if err != nil {
		t.Fatalf("Read(%q, %v, %d): %v", channel, since, limit, err)
	}
	return h
}

func texts(pubs []*engine.Publication) []string {
	var s []string
	for _, p := range pubs {
		s = append(s, string(p.Data))
	}
	return s
}

func wantTexts(t *testing.T, what string, pubs []*engine.Publication, want ...string) {
	t.Helper()
	if got := texts(pubs); !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func offsetsIncrease(t *testing.T, e engine.Engine) {
	var last engine.Position
	for i := range 100 {
		p := publish(t, e, "a", fmt.Sprint(i))
		if p.Epoch == 0 || p.Offset == 0 {
			t.Fatalf("position %v has a zero part", p)
		}
		if i > 0 && (p.Epoch != last.Epoch || p.Offset <= last.Offset) {
			t.Fatalf("position %v does not come after %v", p, last)
		}
		last = p
	}
	wantHead(t, read(t, e, "a", engine.Position{}, 0).Head, last)
}

func readSince(t *testing.T, e engine.Engine) {
	start := read(t, e, "a", engine.Position{}, 0).Head
	p1 := publish(t, e, "a", "1")
	p2 := publish(t, e, "a", "2")
	p3 := publish(t, e, "a", "3")
	wantTexts(t, "since the zero position", read(t, e, "a", engine.Position{}, 10).Publications, "1", "2", "3")
	wantTexts(t, "since the start", read(t, e, "a", start, 10).Publications, "1", "2", "3")
	wantTexts(t, "since the first", read(t, e, "a", p1, 10).Publications, "2", "3")
	wantTexts(t, "since the second", read(t, e, "a", p2, 10).Publications, "3")
	wantTexts(t, "since the last", read(t, e, "a", p3, 10).Publications)
	h := read(t, e, "a", p1, 1)
	if got := (engine.Position{Epoch: p1.Epoch, Offset: h.Publications[0].Offset}); got != p2 {
		t.Errorf("the publication read has position %v, Publish returned %v", got, p2)
	}
	if h.Publications[0].Time == 0 {
		t.Error("a publication has no time")
	}
}

func readLimit(t *testing.T, e engine.Engine) {
	for i := range 5 {
		publish(t, e, "a", fmt.Sprint(i))
	}
	wantTexts(t, "limit 2", read(t, e, "a", engine.Position{}, 2).Publications, "0", "1")
	wantTexts(t, "limit 0", read(t, e, "a", engine.Position{}, 0).Publications)
}

func readNewest(t *testing.T, e engine.Engine) {
	var all []engine.Position
	for i := range 5 {
		all = append(all, publish(t, e, "a", fmt.Sprint(i)))
	}
	wantTexts(t, "limit -2", read(t, e, "a", engine.Position{}, -2).Publications, "3", "4")
	wantTexts(t, "limit -9", read(t, e, "a", engine.Position{}, -9).Publications, "0", "1", "2", "3", "4")
	wantTexts(t, "limit -2 since the second", read(t, e, "a", all[1], -2).Publications, "3", "4")
	wantTexts(t, "limit -9 since the second", read(t, e, "a", all[1], -9).Publications, "2", "3", "4")
	wantTexts(t, "limit -2 since the last", read(t, e, "a", all[4], -2).Publications)
	wantHead(t, read(t, e, "a", all[1], -2).Head, all[4])
	wantAhead(t, e, "a", -1)
}

// maxAhead is how far a head certainly does not move during a read.
const maxAhead = 1_000_000

// wantAhead reads after the head of a channel. The head may move meanwhile, because offsets may have
// holes; the next attempt then reads farther after it.
func wantAhead(t *testing.T, e engine.Engine, channel string, limit int) {
	t.Helper()
	for by := uint64(1); ; by *= 1000 {
		head := read(t, e, channel, engine.Position{}, 0).Head
		h, err := e.Read(context.Background(), channel, engine.Position{Epoch: head.Epoch, Offset: head.Offset + by}, engine.Limit{Messages: limit})
		if h.Head.Offset > head.Offset && by < maxAhead {
			continue
		}
		head.Offset = max(head.Offset, h.Head.Offset)
		if !errors.Is(err, engine.ErrAhead) || h.Head != head {
			t.Errorf("after the head %v: head %v, error %v; want the same head and ErrAhead", head, h.Head, err)
		}
		return
	}
}

// readBytes reads with limits of bytes, of the oldest and of the newest publications.
func readBytes(t *testing.T, e engine.Engine) {
	var first engine.Position
	for i := range 5 {
		if p := publish(t, e, "a", fmt.Sprintf(`"%d-------"`, i)); i == 0 { // 10 bytes each
			first = p
		}
	}
	all := []string{`"0-------"`, `"1-------"`, `"2-------"`, `"3-------"`, `"4-------"`}
	for _, c := range []struct {
		since engine.Position
		limit engine.Limit
		want  []string
		more  bool
	}{
		{engine.Position{}, engine.Limit{Messages: 10}, all, false},
		{engine.Position{}, engine.Limit{Messages: 5}, all, false},
		{engine.Position{}, engine.Limit{Messages: 4}, all[:4], true},
		{engine.Position{}, engine.Limit{Messages: 10, Bytes: 1}, all[:1], true},
		{engine.Position{}, engine.Limit{Messages: 10, Bytes: 20}, all[:2], true},
		{engine.Position{}, engine.Limit{Messages: 10, Bytes: 21}, all[:3], true},
		{engine.Position{}, engine.Limit{Messages: 10, Bytes: 50}, all, false},
		{engine.Position{}, engine.Limit{Messages: 1, Bytes: 50}, all[:1], true},
		{first, engine.Limit{Messages: 10, Bytes: 25}, all[1:4], true},
		{first, engine.Limit{Messages: 10, Bytes: 40}, all[1:], false},
		{engine.Position{}, engine.Limit{Messages: -3}, all[2:], false},
		{engine.Position{}, engine.Limit{Messages: -3, Bytes: 20}, all[2:4], true},
		{engine.Position{}, engine.Limit{Messages: -9, Bytes: 30}, all[:3], true},
		{engine.Position{}, engine.Limit{Bytes: 20}, nil, false},
	} {
		h, err := e.Read(context.Background(), "a", c.since, c.limit)
		if err != nil {
			t.Fatalf("Read with %+v: %v", c.limit, err)
		}
		wantTexts(t, fmt.Sprintf("since %v with %+v", c.since, c.limit), h.Publications, c.want...)
		if h.More != c.more && c.limit.Messages != 0 {
			t.Errorf("since %v with %+v: More is %v, want %v", c.since, c.limit, h.More, c.more)
		}
	}
}

// publishMany checks [engine.Batcher], if the engine is one.
func publishMany(t *testing.T, e engine.Engine) {
	b, ok := e.(engine.Batcher)
	if !ok {
		return
	}
	item := func(channel, data, key string) engine.Item {
		return engine.Item{Channel: channel, Message: engine.Message{Data: []byte(data), Key: key}}
	}
	results := b.PublishMany(context.Background(), []engine.Item{
		item("a", "1", ""), item("b", "2", "k"), item("a", "3", ""), item("b", "2", "k"), item("b", "4", "k"), item("a", "5", ""),
	})
	var got []string
	for _, r := range results {
		got = append(got, fmt.Sprint(r.Ack.Duplicate, " ", r.Err))
	}
	want := []string{"false <nil>", "false <nil>", "false <nil>", "true <nil>", "false " + engine.ErrKeyReused.Error(), "false <nil>"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	wantTexts(t, "read of a", read(t, e, "a", engine.Position{}, 10).Publications, "1", "3", "5")
	wantTexts(t, "read of b", read(t, e, "b", engine.Position{}, 10).Publications, "2")
	if last := read(t, e, "a", engine.Position{}, -1); last.Publications[0].Offset != results[5].Ack.Position.Offset {
		t.Errorf("the last message is at %d, and the result said %v", last.Publications[0].Offset, results[5].Ack.Position)
	}
}

func emptyLogHasBounds(t *testing.T, e engine.Engine) {
	h := read(t, e, "never", engine.Position{}, 10)
	if h.Head.Epoch == 0 || h.Floor.Epoch != h.Head.Epoch || h.Floor.Offset > h.Head.Offset || len(h.Publications) > 0 {
		t.Fatalf("got %+v, want an epoch, and no publications between floor and head", h)
	}
	publish(t, e, "never", "1")
	wantTexts(t, "since the head of the empty log", read(t, e, "never", h.Head, 10).Publications, "1")
}

func wrongPositions(t *testing.T, e engine.Engine) {
	p := publish(t, e, "a", "1")
	h, err := e.Read(context.Background(), "a", engine.Position{Epoch: p.Epoch + 1, Offset: p.Offset}, engine.Limit{Messages: 10})
	if !errors.Is(err, engine.ErrUnknownEpoch) {
		t.Errorf("Read since another epoch: error %v, want ErrUnknownEpoch", err)
	}
	wantHead(t, h.Head, p)
	wantAhead(t, e, "a", 10)
}

// wantHead checks a head. It may be after the newest publication, because offsets may have holes.
func wantHead(t *testing.T, head, newest engine.Position) {
	t.Helper()
	if head.Epoch != newest.Epoch || head.Offset < newest.Offset {
		t.Errorf("head is %v, want the last position %v or a later one", head, newest)
	}
}

// positionsInHoles reads from each offset between start and head, even from those without a
// publication.
func positionsInHoles(t *testing.T, e engine.Engine) {
	start := read(t, e, "a", engine.Position{}, 0).Head
	var all []engine.Position
	for i := range 4 {
		publish(t, e, "b", "between")
		all = append(all, publish(t, e, "a", fmt.Sprint(i)))
	}
	publish(t, e, "b", "after")
	head := read(t, e, "a", engine.Position{}, 0).Head
	for at := start; at.Offset <= head.Offset; at.Offset++ {
		var want []string
		for i, p := range all {
			if p.Offset > at.Offset {
				want = append(want, fmt.Sprint(i))
			}
		}
		wantTexts(t, fmt.Sprintf("since %v", at), read(t, e, "a", at, 10).Publications, want...)
	}
}

// collector collects the publications that an engine delivers.
type collector struct {
	mu   sync.Mutex
	pubs []*engine.Publication // guarded by mu
	more chan struct{}         // holds a token when pubs has grown; capacity 1
}

func newCollector() *collector { return &collector{more: make(chan struct{}, 1)} }

func (c *collector) deliver(p *engine.Publication) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pubs = append(c.pubs, p)
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// wait waits for n publications and returns all that were delivered.
func (c *collector) wait(t *testing.T, n int) []*engine.Publication {
	t.Helper()
	return c.await(t, func(pubs []*engine.Publication) bool { return len(pubs) >= n })
}

// until waits for a publication with the text and returns all that were delivered.
func (c *collector) until(t *testing.T, text string) []*engine.Publication {
	t.Helper()
	return c.await(t, func(pubs []*engine.Publication) bool {
		return slices.ContainsFunc(pubs, func(p *engine.Publication) bool { return string(p.Data) == text })
	})
}

func (c *collector) await(t *testing.T, enough func([]*engine.Publication) bool) []*engine.Publication {
	t.Helper()
	for {
		c.mu.Lock()
		pubs := slices.Clone(c.pubs)
		c.mu.Unlock()
		if enough(pubs) {
			return pubs
		}
		select {
		case <-c.more:
		case <-t.Context().Done():
			t.Fatalf("only %d publications were delivered, and more are missing", len(pubs))
		}
	}
}

func follow(t *testing.T, e engine.Engine, channel string, c *collector) (engine.Position, func()) {
	t.Helper()
	head, stop, err := e.Follow(context.Background(), channel, DeliverFunc(c.deliver))
	if err != nil {
		t.Fatalf("Follow(%q): %v", channel, err)
	}
	return head, stop
}

func followFromHead(t *testing.T, e engine.Engine) {
	p := publish(t, e, "a", "before")
	c := newCollector()
	head, stop := follow(t, e, "a", c)
	defer stop()
	wantHead(t, head, p)
	publish(t, e, "a", "1")
	publish(t, e, "a", "2")
	wantTexts(t, "delivered", c.wait(t, 2), "1", "2")
}

func followUntilStop(t *testing.T, e engine.Engine) {
	first, second := newCollector(), newCollector()
	_, stop1 := follow(t, e, "a", first)
	_, stop2 := follow(t, e, "a", second)
	defer stop2()
	publish(t, e, "a", "1")
	wantTexts(t, "first follower", first.wait(t, 1), "1")
	stop1()
	publish(t, e, "a", "2")
	wantTexts(t, "second follower", second.wait(t, 2), "1", "2")
	wantTexts(t, "first follower after stop", first.wait(t, 1), "1")
}

func channelsAreApart(t *testing.T, e engine.Engine) {
	c := newCollector()
	_, stop := follow(t, e, "a", c)
	defer stop()
	publish(t, e, "b", "b1")
	publish(t, e, "a", "a1")
	wantTexts(t, "delivered", c.wait(t, 1), "a1")
	wantTexts(t, "read of b", read(t, e, "b", engine.Position{}, 10).Publications, "b1")
}

const (
	publishers = 8
	perEach    = 100
)

// publishAll publishes "0 0".."7 99" from several goroutines, which take the engines in turn.
func publishAll(t *testing.T, to ...engine.Engine) {
	var wg sync.WaitGroup
	for i := range publishers {
		wg.Go(func() {
			for j := range perEach {
				if _, err := to[i%len(to)].Publish(context.Background(), "a", engine.Message{Data: fmt.Appendf(nil, "%d %d", i, j)}); err != nil {
					t.Errorf("Publish: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

// checkAll checks that each publication of publishAll occurs once, that each publisher's are in
// order, and that offsets increase.
func checkAll(t *testing.T, what string, pubs []*engine.Publication) {
	t.Helper()
	var next [publishers]int
	var last uint64
	for _, p := range pubs {
		var i, j int
		fmt.Sscanf(string(p.Data), "%d %d", &i, &j)
		if j != next[i] {
			t.Fatalf("%s: publisher %d: got %d, want %d", what, i, j, next[i])
		}
		next[i]++
		if p.Offset <= last {
			t.Fatalf("%s: offset %d after %d", what, p.Offset, last)
		}
		last = p.Offset
	}
	for i, n := range next {
		if n != perEach {
			t.Errorf("%s: publisher %d: %d of %d", what, i, n, perEach)
		}
	}
}

func concurrentPublish(t *testing.T, e engine.Engine) {
	c := newCollector()
	_, stop := follow(t, e, "a", c)
	defer stop()
	publishAll(t, e)
	checkAll(t, "delivered", c.wait(t, publishers*perEach))
	checkAll(t, "read", read(t, e, "a", engine.Position{}, publishers*perEach+1).Publications)
}

// followWhilePublishing checks that reading up to the head from Follow, followed by the deliveries,
// yields the complete log.
func followWhilePublishing(t *testing.T, e engine.Engine) {
	var wg sync.WaitGroup
	wg.Go(func() { publishAll(t, e) })
	type part struct {
		c    *collector
		head engine.Position
	}
	var parts []part
	for range 20 {
		c := newCollector()
		head, stop := follow(t, e, "a", c)
		defer stop()
		parts = append(parts, part{c, head})
	}
	wg.Wait()
	all := read(t, e, "a", engine.Position{}, publishers*perEach+1).Publications
	for _, p := range parts {
		var before []*engine.Publication
		for _, pub := range all {
			if pub.Offset <= p.head.Offset {
				before = append(before, pub)
			}
		}
		checkAll(t, "read and then delivered", append(before, p.c.wait(t, len(all)-len(before))...))
	}
}

func closeEngine(t *testing.T, e engine.Engine) {
	if err := e.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if _, err := e.Publish(context.Background(), "a", engine.Message{Data: []byte("1")}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Publish after Close: %v, want ErrClosed", err)
	}
	if _, err := e.Read(context.Background(), "a", engine.Position{}, engine.Limit{Messages: 1}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Read after Close: %v, want ErrClosed", err)
	}
	if _, _, err := e.Follow(context.Background(), "a", DeliverFunc(func(*engine.Publication) {})); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Follow after Close: %v, want ErrClosed", err)
	}
}
