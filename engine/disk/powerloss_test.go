package disk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

const faultDir = "/log"

// faultSettings returns settings for an engine in a faultFS, with small segments.
func faultSettings(f *faultFS, o Options, segment int64) settings {
	s := o.settings()
	s.files, s.locked, s.segment = f, true, segment
	return s
}

// A witness knows what publishers, followers and readers have learned of a log, over all its lives.
type witness struct {
	testing.TB
	what string // for messages

	mu    sync.Mutex
	epoch uint64
	known map[string]map[uint64]string // data by channel and offset: acknowledged, delivered or read
	acked map[string]uint64            // the highest offset that was acknowledged or delivered
	sent  map[string]bool

	pruned map[string]uint64 // offsets by channel up to which known was pruned

	mayLose bool                       // messages that were acknowledged since the log was opened may be lost
	lost    map[string]map[uint64]bool // offsets by channel
}

func newWitness(t testing.TB, what string) *witness {
	return &witness{
		TB: t, what: what, known: map[string]map[uint64]string{}, acked: map[string]uint64{}, sent: map[string]bool{}, lost: map[string]map[uint64]bool{},
	}
}

// saw records that an offset of a channel has the data.
func (w *witness) saw(how, channel string, at engine.Position, data string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.epoch == 0 {
		w.epoch = at.Epoch
	}
	if at.Epoch != w.epoch {
		w.Errorf("%s: %s: the epoch is %d, and was %d", w.what, channel, at.Epoch, w.epoch)
	}
	if w.known[channel] == nil {
		w.known[channel] = map[uint64]string{}
	}
	if at.Offset <= w.pruned[channel] {
		w.Errorf("%s: %s: offset %d is %s (%s), and was used long ago", w.what, channel, at.Offset, data, how)
	}
	if before, known := w.known[channel][at.Offset]; known && before != data {
		w.Errorf("%s: %s: offset %d is %s now (%s), and was %s", w.what, channel, at.Offset, data, how, before)
	}
	w.known[channel][at.Offset] = data
	w.acked[channel] = max(w.acked[channel], at.Offset)
}

// publish publishes messages of one publisher until the engine fails. Each second message has a
// key. It returns the last message if that may have been published.
func (w *witness) publish(e *Engine, r *rand.Rand, publisher string, channels, n int) (unsure *engine.Item) {
	for i := range n {
		size := r.IntN(300)
		if r.IntN(8) == 0 {
			size *= 10 // many pages, so that a torn end is longer than what is written over it
		}
		item := engine.Item{
			Channel: fmt.Sprint("c", r.IntN(channels)),
			Message: engine.Message{Data: fmt.Appendf(nil, "%s %d %s", publisher, i, strings.Repeat("x", size)), Sender: uint64(i % 3)},
		}
		if i%2 == 0 {
			item.Message.Key = fmt.Sprint(publisher, " ", i)
		}
		w.mu.Lock()
		w.sent[string(item.Message.Data)] = true
		w.mu.Unlock()
		ack, err := e.Publish(context.Background(), item.Channel, item.Message)
		if err != nil {
			return &item
		}
		if ack.Duplicate {
			w.Errorf("%s: %s is called a duplicate", w.what, item.Message.Data)
		}
		w.saw("published", item.Channel, ack.Position, string(item.Message.Data))
	}
	return nil
}

// follow follows channels of an engine. Delivered messages must survive.
func (w *witness) follow(e *Engine, channels int) {
	for i := range channels {
		channel := fmt.Sprint("c", i)
		last := uint64(0)
		_, _, err := e.Follow(context.Background(), channel, boreastest.DeliverFunc(func(p *engine.Publication) {
			if p.Offset <= last {
				w.Errorf("%s: %s: offset %d is delivered after %d", w.what, channel, p.Offset, last)
			}
			last = p.Offset
			w.saw("delivered", channel, engine.Position{Epoch: e.epoch, Offset: p.Offset}, string(p.Data))
		}))
		if err != nil {
			w.Fatal(err)
		}
	}
}

// check reads everything: it must contain all that is known above the floor, in order, and nothing
// that was not sent. Kept is how many of the newest messages a channel must have. It returns the
// number of messages that nobody knew of.
func (w *witness) check(e *Engine, kept int) (unacked int) {
	w.Helper()
	if w.mayLose {
		w.findLost(e)
	}
	for channel := range w.known {
		h, err := e.Read(context.Background(), channel, engine.Position{}, engine.Limit{Messages: 1 << 20})
		if err != nil {
			w.Fatalf("%s: read %s: %v", w.what, channel, err)
		}
		if !w.mayLose && h.Head.Offset < w.acked[channel] {
			w.Errorf("%s: %s: head %d, and %d is known", w.what, channel, h.Head.Offset, w.acked[channel])
		}
		have := map[uint64]bool{}
		seen := map[string]uint64{}
		last := h.Floor.Offset
		for _, p := range h.Publications {
			data := string(p.Data)
			if p.Offset <= last {
				w.Errorf("%s: %s: offset %d comes after %d", w.what, channel, p.Offset, last)
			}
			last = p.Offset
			if _, known := w.known[channel][p.Offset]; !known {
				unacked++
			}
			if !w.sent[data] {
				w.Errorf("%s: %s: nobody sent %q", w.what, channel, data)
			}
			if at, twice := seen[data]; twice {
				w.Errorf("%s: %s: %s is at %d and %d", w.what, channel, data, at, p.Offset)
			}
			seen[data], have[p.Offset] = p.Offset, true
			w.saw("read", channel, engine.Position{Epoch: h.Head.Epoch, Offset: p.Offset}, data)
		}
		if last != h.Head.Offset && len(h.Publications) > 0 {
			w.Errorf("%s: %s: the last message is %d, and the head %d", w.what, channel, last, h.Head.Offset)
		}
		newer := 0
		for o, data := range w.known[channel] {
			if w.lost[channel][o] {
				continue
			}
			if o > h.Floor.Offset && !have[o] {
				w.Errorf("%s: %s: %d is missing: %s", w.what, channel, o, data)
			}
			if o > h.Floor.Offset {
				newer++
			}
		}
		if want := min(kept, len(w.known[channel])-len(w.lost[channel])); newer < want {
			w.Errorf("%s: %s: %d messages after the floor %d, want %d at least", w.what, channel, newer, h.Floor.Offset, want)
		}
		w.inOrder(channel, h.Publications)
	}
	return unacked
}

// findLost finds the messages that a loss of power took. That must be the end of the log: of each publisher's
// messages the last ones. Their positions must be refused.
func (w *witness) findLost(e *Engine) {
	first := map[string]int{} // number of the first lost message of each publisher
	floors := map[string]uint64{}
	number := func(data string) (publisher string, i int) {
		fmt.Sscan(data, &publisher, &i)
		return publisher, i
	}
	for channel, known := range w.known {
		h, err := e.Read(context.Background(), channel, engine.Position{}, engine.Limit{})
		if err != nil {
			w.Fatal(err)
		}
		floors[channel] = h.Floor.Offset
		for o, data := range known {
			if o > h.Head.Offset && !w.lost[channel][o] {
				if w.lost[channel] == nil {
					w.lost[channel] = map[uint64]bool{}
				}
				w.lost[channel][o] = true
				p, i := number(data)
				if before, is := first[p]; !is || i < before {
					first[p] = i
				}
			}
			if w.lost[channel][o] {
				_, err := e.Read(context.Background(), channel, engine.Position{Epoch: w.epoch, Offset: o}, engine.Limit{Messages: 1})
				if !errors.Is(err, engine.ErrAhead) && !errors.Is(err, engine.ErrExpired) {
					w.Errorf("%s: %s: the position %d of a lost message is valid: %v", w.what, channel, o, err)
				}
			}
		}
	}
	for channel, known := range w.known {
		for o, data := range known {
			p, i := number(data)
			if before, is := first[p]; is && i > before && o > floors[channel] && !w.lost[channel][o] {
				w.Errorf("%s: %s: %d of %s is there, and the earlier one %d is lost", w.what, channel, i, p, before)
			}
		}
	}
}

// prune forgets the messages that the engine has dropped, so that a long test does not need more and more memory.
func (w *witness) prune(e *Engine) {
	w.pruned = map[string]uint64{}
	sent := map[string]bool{}
	for channel, known := range w.known {
		h, err := e.Read(context.Background(), channel, engine.Position{}, engine.Limit{})
		if err != nil {
			w.Fatal(err)
		}
		w.pruned[channel] = h.Floor.Offset
		for o, data := range known {
			if o <= h.Floor.Offset {
				delete(known, o)
			} else {
				sent[data] = true
			}
		}
	}
	w.sent = sent
}

// inOrder checks the order of each publisher's messages.
func (w *witness) inOrder(channel string, pubs []*engine.Publication) {
	next := map[string]int{}
	for _, p := range pubs {
		var publisher string
		var i int
		fmt.Sscan(string(p.Data), &publisher, &i)
		if i < next[publisher] {
			w.Errorf("%s: %s: %d of %s comes late", w.what, channel, i, publisher)
		}
		next[publisher] = i + 1
	}
}

// again publishes a message again whose fate is unknown or which was acknowledged.
func (w *witness) again(e *Engine, item *engine.Item) {
	ack, err := e.Publish(context.Background(), item.Channel, item.Message)
	if err != nil {
		w.Fatalf("%s: again: %v", w.what, err)
	}
	w.saw("again", item.Channel, ack.Position, string(item.Message.Data))
}

// A powerLossCase is what differs between the rounds of a test.
type powerLossCase struct {
	options  Options
	segment  int64
	kept     int // messages that each channel must have, at least
	channels int
}

func powerLossRound(t *testing.T, seed uint64, c powerLossCase) (crashes, unacked int) {
	r := rand.New(rand.NewPCG(seed, 2))
	fsys := newFaultFS(seed)
	fsys.cannotAlloc, fsys.inOrder = r.IntN(3) == 0, r.IntN(2) == 0
	w := newWitness(t, fmt.Sprint("round ", seed))
	set := faultSettings(fsys, c.options, c.segment)
	if r.IntN(2) == 0 {
		set.compactPeriod, set.compactRate = time.Millisecond, 0
	}
	w.mayLose = c.options.SyncInterval > 0
	for life := range 3 + r.IntN(3) {
		w.what = fmt.Sprintf("round %d, life %d", seed, life)
		if r.IntN(4) == 0 { // the power is lost while the directory is opened
			fsys.crashAfter(1 + r.IntN(15))
		}
		e, _, err := open(faultDir, set)
		if err != nil {
			if !errors.Is(err, errPowerLost) {
				t.Fatalf("%s: %v", w.what, err)
			}
			fsys = fsys.reboot()
			set.files = fsys
			crashes++
			continue
		}
		fsys.crashAfter(0)
		unacked += w.check(e, c.kept)
		w.follow(e, c.channels)
		fsys.crashAfter(1 + r.IntN(120))
		var wg sync.WaitGroup
		unsure := make([]*engine.Item, 3)
		for i := range unsure {
			pr := rand.New(rand.NewPCG(seed, uint64(10*life+i)))
			wg.Go(func() { unsure[i] = w.publish(e, pr, fmt.Sprintf("p%d.%d", life, i), c.channels, 60) })
		}
		wg.Wait()
		if r.IntN(4) == 0 && e.Close() == nil {
			w.mayLose = false
		}
		fsys = fsys.reboot()
		set.files = fsys
		e.Close() //nolint:errcheck // the power is lost
		crashes++
		if e, _, err = open(faultDir, set); err != nil {
			t.Fatalf("%s: %v", w.what, err)
		}
		unacked += w.check(e, c.kept)
		w.mayLose = c.options.SyncInterval > 0
		if c.options.KeyWindow >= 0 {
			for _, item := range unsure {
				if item != nil && item.Message.Key != "" {
					w.again(e, item)
				}
			}
		}
		w.check(e, c.kept)
		if r.IntN(2) == 0 {
			if err := e.Close(); err != nil {
				t.Fatalf("%s: close: %v", w.what, err)
			}
		} else {
			fsys = fsys.reboot()
			set.files = fsys
			crashes++
			e.Close() //nolint:errcheck // the power is lost
		}
		if t.Failed() {
			break
		}
	}
	return crashes, unacked
}

// TestPowerLoss loses the power at every kind of moment. What was acknowledged or delivered must be
// there afterwards, at its offset, once, in order.
func TestPowerLoss(t *testing.T) {
	testPowerLoss(t, 1000, map[string]powerLossCase{
		"everything": {segment: 4 << 10, kept: 1 << 20, channels: 3},
		"retention":  {options: Options{Messages: 5}, segment: 4 << 10, kept: 5, channels: 12},
		"no keys":    {options: Options{Messages: 5, KeyWindow: -1}, segment: 2 << 10, kept: 5, channels: 3},
		"ceiling":    {options: Options{Disk: 16 << 10, KeyWindow: -1}, segment: 4 << 10, channels: 4},
		"age":        {options: Options{Age: time.Millisecond, KeyWindow: -1}, segment: 2 << 10, channels: 8},
	})
}

// With SyncInterval, the end of the log may be lost. Its offsets must never be used again.
func TestPowerLossLazy(t *testing.T) {
	testPowerLoss(t, 400, map[string]powerLossCase{
		"everything": {options: Options{SyncInterval: time.Hour}, segment: 8 << 10, channels: 3},
		"often":      {options: Options{SyncInterval: time.Microsecond}, segment: 4 << 10, channels: 3},
		"retention":  {options: Options{SyncInterval: time.Hour, Messages: 5}, segment: 4 << 10, channels: 12},
		"age":        {options: Options{SyncInterval: time.Hour, Age: time.Millisecond, KeyWindow: -1}, segment: 2 << 10, channels: 8},
	})
}

// testPowerLoss runs rounds of the cases until the power was lost n times.
func testPowerLoss(t *testing.T, n int, cases map[string]powerLossCase) {
	var crashes, unacked int
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			enough := crashes + n/len(cases)
			for seed := uint64(0); crashes < enough && !t.Failed(); seed++ {
				n, more := powerLossRound(t, seed, c)
				crashes, unacked = crashes+n, unacked+more
			}
		})
	}
	t.Logf("%d losses of power; %d messages were kept of which nobody knew", crashes, unacked)
}

// A log has lost its end only if it had no clean one and was written lazily. It is in the same life
// until the next message.
func TestLives(t *testing.T) {
	fsys := newFaultFS(1)
	for i, step := range []struct {
		lost  bool // what is found
		lives int

		lazy, publish, crash bool // what is done then
	}{
		{lost: false, lives: 0, lazy: true, publish: true},
		{lost: false, lives: 0, lazy: true, publish: true, crash: true},
		{lost: true, lives: 1, lazy: true},
		{lost: true, lives: 1, lazy: true, crash: true},
		{lost: true, lives: 1, lazy: true, publish: true},
		{lost: false, lives: 1, publish: true, crash: true},
		{lost: false, lives: 1, lazy: true, crash: true},
		{lost: false, lives: 1, lazy: true, publish: true, crash: true},
		{lost: true, lives: 2, publish: true, crash: true},
		{lost: false, lives: 2, publish: true},
	} {
		o := Options{}
		if step.lazy {
			o.SyncInterval = time.Hour
		}
		e, opened, err := open(faultDir, faultSettings(fsys, o, 64<<10))
		if err != nil {
			t.Fatal(err)
		}
		if opened.Lost != step.lost || opened.Lives != step.lives {
			t.Errorf("step %d: lost %v in life %d, want %v in life %d", i, opened.Lost, opened.Lives, step.lost, step.lives)
		}
		if step.publish {
			ack, err := e.Publish(t.Context(), "a", engine.Message{Data: []byte("1")})
			if err != nil || ack.Position.Offset < uint64(step.lives)*lift {
				t.Errorf("step %d: %+v, %v, in life %d", i, ack, err, step.lives)
			}
		}
		if step.crash {
			fsys = fsys.reboot()
		}
		if err := e.Close(); err != nil && !step.crash {
			t.Fatal(err)
		}
	}
}
