package disk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A modelEntry is a message that was acknowledged.
type modelEntry struct {
	Offset uint64
	Data   string
	Sender uint64
	at     time.Time
}

// A modelLog is what is known of a channel over all lives of the log.
type modelLog struct {
	entries  []modelEntry          // on disk, oldest first, also those that were dropped
	must     int                   // the first of them that no rule so far allows to drop
	head     uint64                // the highest offset that was ever acknowledged
	lost     map[uint64]bool       // offsets that a loss of power took
	doubtful map[uint64]bool       // offsets that one may have taken: the channel was empty afterwards
	keys     map[string]modelEntry // by key
	unsureOf map[string]bool       // keys of which a loss of power may have taken the message
	unsure   *engine.Item          // may have been kept: its publisher got an error
	floor    uint64                // the last one that was seen
	purged   uint64                // nothing up to this offset is ever kept again
	inMemory bool
	limits   engine.Retention
	client   *modelClient // has a position of the channel on disk
}

// A modelClient has received the entries before the next one, and no lost ones.
type modelClient struct {
	position engine.Position
	next     int
}

// A model knows what the log of a faultFS must contain.
type model struct {
	*rapid.T
	fsys   *faultFS
	e      *Engine
	epoch  uint64
	names  []string
	logs   map[string]*modelLog
	lazy   bool // acknowledged messages may be lost
	window time.Duration
	n      int // messages so far
}

func (d *model) open() {
	o := Options{
		KeyWindow: d.window,
		Limits:    func(channel string) engine.Retention { return d.logs[channel].limits },
		InMemory:  func(channel string) bool { return d.logs[channel].inMemory },
	}
	if d.lazy {
		o.SyncInterval = time.Second
	}
	e, opened, err := open(faultDir, faultSettings(d.fsys, o, 1<<10))
	if err != nil {
		d.Fatal(err)
	}
	if d.epoch != 0 && opened.Epoch != d.epoch {
		d.Fatalf("epoch %d, and it was %d", opened.Epoch, d.epoch)
	}
	d.e, d.epoch = e, opened.Epoch
	d.Logf("opened: segments %d, life %d, lost %v, %d bytes cut, start %d", opened.Segments, opened.Lives, opened.Lost, opened.Cut, e.table.EmptyHead())
	for _, l := range d.logs {
		l.floor = 0
	}
}

// drawRules changes how channels are kept. The engine is closed. A channel that was empty may have its
// old messages again by the new rules. It may have begun anew at a higher offset in between, which is
// ahead then, so that the clients go.
func (d *model) drawRules() {
	for _, name := range d.names {
		l := d.logs[name]
		l.client = nil
		if l.inMemory = rapid.IntRange(0, 4).Draw(d.T, "in memory") == 0; l.inMemory {
			l.must = len(l.entries) // its messages on disk may be dropped
		}
		l.limits = engine.Retention{
			Messages: rapid.SampledFrom([]int{1, 2, 5, 100}).Draw(d.T, "messages"),
			Bytes:    rapid.SampledFrom([]int64{20, 200, 10_000}).Draw(d.T, "bytes"),
			Age:      time.Duration(rapid.SampledFrom([]int{1, 10, 600}).Draw(d.T, "seconds")) * time.Second,
		}
	}
}

// trim raises must by the rules in force.
func (l *modelLog) trim() {
	for ; l.must < len(l.entries); l.must++ {
		bytes, n := int64(0), len(l.entries)-l.must
		for _, e := range l.entries[l.must:] {
			bytes += int64(len(e.Data))
		}
		if n <= l.limits.Messages && (bytes <= l.limits.Bytes || n == 1) && time.Since(l.entries[l.must].at) <= l.limits.Age {
			return
		}
	}
}

// learn records a message that is kept.
func (d *model) learn(l *modelLog, e modelEntry) {
	if e.Offset <= l.head || l.lost[e.Offset] {
		d.Fatalf("offset %d is given away again: the head was %d", e.Offset, l.head)
	}
	l.head = e.Offset
	l.entries = append(l.entries, e)
	l.trim()
}

func (d *model) item(name, key string) engine.Item {
	d.n++
	return engine.Item{Channel: name, Message: engine.Message{
		Data: fmt.Append(nil, d.n, strings.Repeat("x", rapid.SampledFrom([]int{0, 1, 30, 400}).Draw(d.T, "size"))),
		Key:  key, Sender: rapid.Uint64Range(0, 2).Draw(d.T, "sender"),
	}}
}

// acked checks the acknowledgement of a message.
func (d *model) acked(item engine.Item, r engine.Result) {
	l := d.logs[item.Channel]
	if r.Err != nil {
		d.Fatalf("publish on %s: %v", item.Channel, r.Err)
	}
	if l.inMemory {
		if r.Ack.Position.Epoch == d.epoch {
			d.Fatalf("%s is in memory, and has the epoch of the disk", item.Channel)
		}
		return
	}
	if r.Ack.Position.Epoch != d.epoch || r.Ack.Duplicate {
		d.Fatalf("publish on %s: %+v", item.Channel, r.Ack)
	}
	e := modelEntry{Offset: r.Ack.Position.Offset, Data: string(item.Message.Data), Sender: item.Message.Sender, at: time.Now()}
	d.Logf("%s: %d", item.Channel, e.Offset)
	d.learn(l, e)
	if item.Message.Key != "" {
		l.keys[item.Message.Key] = e
		delete(l.unsureOf, item.Message.Key)
	}
}

func (d *model) publish(item engine.Item) {
	ack, err := d.e.Publish(context.Background(), item.Channel, item.Message)
	d.acked(item, engine.Result{Ack: ack, Err: err})
}

func (d *model) publishMany() {
	var items []engine.Item
	for range rapid.IntRange(1, 6).Draw(d.T, "items") {
		items = append(items, d.item(rapid.SampledFrom(d.names).Draw(d.T, "channel"), ""))
	}
	for i, r := range d.e.PublishMany(context.Background(), items) {
		d.acked(items[i], r)
	}
}

// publishKey publishes with a key that may be known.
func (d *model) publishKey(name string) {
	l, key := d.logs[name], rapid.SampledFrom([]string{"k1", "k2", "k3"}).Draw(d.T, "key")
	first, known := l.keys[key]
	if !known || l.inMemory || time.Since(first.at) > d.window {
		if !l.inMemory {
			d.publish(d.item(name, key))
		}
		return
	}
	ack, err := d.e.Publish(context.Background(), name, engine.Message{Data: []byte(first.Data), Key: key})
	if err == nil && !ack.Duplicate && l.unsureOf[key] {
		l.keys[key] = modelEntry{Offset: ack.Position.Offset, Data: first.Data, at: time.Now()}
		delete(l.unsureOf, key)
		d.learn(l, l.keys[key])
		return
	}
	if err != nil || !ack.Duplicate || ack.Position.Offset != first.Offset {
		d.Fatalf("%s: key %s again: %+v, %v; want the offset %d", name, key, ack, err, first.Offset)
	}
	if _, err := d.e.Publish(context.Background(), name, engine.Message{Data: []byte("other"), Key: key}); !errors.Is(err, engine.ErrKeyReused) {
		d.Fatalf("%s: key %s with other data: %v", name, key, err)
	}
}

// fails publishes while an operation of the disk fails.
func (d *model) fails(name, op string, fault, want error) {
	if d.logs[name].inMemory || d.lazy && op == "sync" {
		return
	}
	d.fsys.inject(op, fault, 0, 1)
	item := d.item(name, "")
	ack, err := d.e.Publish(context.Background(), name, item.Message)
	if err == nil { // something else failed, such as the end of a segment, or nothing
		d.acked(item, engine.Result{Ack: ack})
	} else if !errors.Is(err, want) {
		d.Fatalf("%s fails with %v: %v", op, fault, err)
	}
	synctest.Wait()
	d.fsys.inject(op, nil, 0, 0)
	if want == engine.ErrStorageFailed && d.e.Ready() != nil {
		if err != nil {
			d.logs[name].unsure = &item
		}
		if _, err := d.e.Publish(context.Background(), name, item.Message); !errors.Is(err, want) {
			d.Fatalf("after a failure: %v", err)
		}
		d.agree()
		d.reopen(true, false)
	}
}

// reopen closes the engine and opens it again, after a loss of power if crash is set.
func (d *model) reopen(crash, rules bool) {
	failed := d.e.Ready() != nil
	if crash {
		d.fsys = d.fsys.reboot()
	}
	if err := d.e.Close(); err != nil && !crash && !failed {
		d.Fatal(err)
	}
	if rules {
		d.drawRules()
	}
	d.open()
	if crash && d.lazy {
		d.forgetLost()
	}
}

// forgetLost takes what a loss of power has taken out of the model.
func (d *model) forgetLost() {
	for name, l := range d.logs {
		if l.inMemory {
			continue
		}
		l.purged = 0 // it may be lost
		h := d.read(name, engine.Position{}, engine.Limit{})
		if h.Floor.Offset == h.Head.Offset {
			// Nothing is kept. Messages that were not dropped may be lost. If the rules change, the rest of it may
			// be kept again.
			l.must = len(l.entries)
			for _, e := range l.entries {
				l.doubtful[e.Offset] = true
			}
		}
		for n := len(l.entries); n > 0 && l.entries[n-1].Offset > h.Head.Offset; n-- {
			l.lost[l.entries[n-1].Offset] = true
			l.entries = l.entries[:n-1]
			l.must = min(l.must, n-1)
		}
		for key, e := range l.keys {
			if i := slices.IndexFunc(l.entries, func(o modelEntry) bool { return o.Offset == e.Offset }); i < 0 || i >= l.must && h.Floor.Offset >= e.Offset || h.Floor == h.Head {
				l.unsureOf[key] = true
			}
		}
	}
}

func (d *model) read(name string, since engine.Position, limit engine.Limit) engine.History {
	h, err := d.e.Read(context.Background(), name, since, limit)
	if err != nil {
		d.Fatalf("read %s since %v: %v", name, since, err)
	}
	return h
}

// agree compares all channels with the model.
func (d *model) agree() {
	kept := 0
	for _, name := range d.names {
		l := d.logs[name]
		h := d.read(name, engine.Position{}, engine.Limit{Messages: 1000})
		kept += len(h.Publications)
		if l.inMemory {
			continue
		}
		if n := len(h.Publications); l.unsure != nil && n > 0 && h.Publications[n-1].Offset > l.head {
			p := h.Publications[n-1]
			if string(p.Data) != string(l.unsure.Message.Data) {
				d.Fatalf("%s: %s was kept, want %s", name, p.Data, l.unsure.Message.Data)
			}
			d.learn(l, modelEntry{Offset: p.Offset, Data: string(p.Data), Sender: p.Sender, at: time.Now()})
		}
		if d.e.Ready() == nil {
			l.unsure = nil
		}
		l.settle(h)
		l.trim()
		first := len(l.entries)
		for first > 0 && l.entries[first-1].Offset > h.Floor.Offset {
			first--
		}
		var got, want []modelEntry
		for _, p := range h.Publications {
			got = append(got, modelEntry{Offset: p.Offset, Data: string(p.Data), Sender: p.Sender})
		}
		bytes := 0
		for _, e := range l.entries[first:] {
			want = append(want, modelEntry{Offset: e.Offset, Data: e.Data, Sender: e.Sender})
			if bytes += len(e.Data); time.Since(e.at) > l.limits.Age {
				d.Fatalf("%s: %d is kept for longer than %v", name, e.Offset, l.limits.Age)
			}
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(modelEntry{})); diff != "" {
			d.Fatalf("%s, floor %v: %s", name, h.Floor, diff)
		}
		if len(got) > l.limits.Messages || int64(bytes) > l.limits.Bytes && len(got) > 1 {
			d.Fatalf("%s: %d messages with %d bytes are kept, and the limits are %+v", name, len(got), bytes, l.limits)
		}
		if first > l.must {
			d.Fatalf("%s: the floor is %v, but %d must be kept", name, h.Floor, l.entries[l.must].Offset)
		}
		if h.Floor.Offset < l.purged {
			d.Fatalf("%s: the floor is %v, and everything up to %d was purged", name, h.Floor, l.purged)
		}
		if h.Floor.Offset < l.floor {
			d.Fatalf("%s: the floor went from %d to %v", name, l.floor, h.Floor)
		}
		if l.floor = h.Floor.Offset; h.Head.Offset < l.head && !d.lazy {
			d.Fatalf("%s: the head is %v, and was %d", name, h.Head, l.head)
		}
		d.lostPositions(name)
		d.resume(name)
	}
	if s := d.e.Stats(); s.Publications != int64(kept) || s.Evicted != s.EvictedAge+s.EvictedBounds+s.EvictedPurge || s.Bytes < 0 || s.Channels < 0 {
		d.Fatalf("%d messages are kept, and the statistics are %+v", kept, s)
	}
}

// settle finds out which doubtful entries above the floor are lost.
func (l *modelLog) settle(h engine.History) {
	for i := len(l.entries) - 1; i >= 0 && l.entries[i].Offset > h.Floor.Offset; i-- {
		o := l.entries[i].Offset
		if l.doubtful[o] && !slices.ContainsFunc(h.Publications, func(p *engine.Publication) bool { return p.Offset == o }) {
			l.lost[o] = true
			l.entries = slices.Delete(l.entries, i, i+1)
			if i < l.must {
				l.must--
			}
		}
		delete(l.doubtful, o)
	}
}

// resume checks what a client gets that was away: all that it has missed, or an error. Without a loss
// of messages its position is never ahead. A new client may come in its place.
func (d *model) resume(name string) {
	l := d.logs[name]
	if c := l.client; c != nil && !d.lazy {
		h, err := d.e.Read(context.Background(), name, c.position, engine.Limit{Messages: 1000})
		switch {
		case errors.Is(err, engine.ErrExpired):
		case err != nil:
			d.Fatalf("%s since the position of a client, %v: %v", name, c.position, err)
		default:
			var got, want []uint64
			for _, p := range h.Publications {
				got = append(got, p.Offset)
			}
			for _, e := range l.entries[c.next:] {
				want = append(want, e.Offset)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				d.Fatalf("%s since the position of a client, %v (-want +got): %s", name, c.position, diff)
			}
		}
	}
	if l.client == nil || rapid.IntRange(0, 9).Draw(d.T, "new client") == 0 {
		l.client = &modelClient{d.read(name, engine.Position{}, engine.Limit{}).Head, len(l.entries)}
	}
}

// page reads from a known position with a limit.
func (d *model) page(name string) {
	l := d.logs[name]
	if l.inMemory || len(l.entries) == 0 {
		return
	}
	since := engine.Position{Epoch: d.epoch, Offset: rapid.SampledFrom(l.entries).Draw(d.T, "since").Offset}
	limit := engine.Limit{
		Messages: rapid.SampledFrom([]int{1000, 1, 2, -1, -2, -1000}).Draw(d.T, "limit"), Bytes: rapid.SampledFrom([]int{0, 0, 1, 100}).Draw(d.T, "bytes"),
	}
	if limit.Messages > 0 {
		limit.Before = rapid.SampledFrom([]uint64{0, 0, math.MaxUint64, rapid.SampledFrom(l.entries).Draw(d.T, "entry").Offset}).Draw(d.T, "before")
	}
	all := d.read(name, engine.Position{}, engine.Limit{Messages: 1000})
	h, err := d.e.Read(context.Background(), name, since, limit)
	if since.Offset < all.Floor.Offset {
		if !errors.Is(err, engine.ErrExpired) {
			d.Fatalf("%s since %v: %v, and the floor is %v", name, since, err, all.Floor)
		}
		return
	}
	want := engine.After(all.Publications, since.Offset)
	if limit.Before > 0 {
		want = slices.DeleteFunc(slices.Clone(want), func(p *engine.Publication) bool { return p.Offset >= limit.Before })
		slices.Reverse(want) // the newest first
	}
	possible := len(want)
	if limit.Messages < 0 {
		want = want[max(len(want)+limit.Messages, 0):]
		possible = len(want)
	} else {
		want = want[:min(len(want), limit.Messages)]
	}
	bytes := 0
	for i, p := range want {
		if bytes += len(p.Data); limit.Bytes > 0 && bytes >= limit.Bytes {
			want = want[:i+1]
			break
		}
	}
	more := len(want) < possible
	if limit.Before > 0 {
		slices.Reverse(want)
	}
	if len(want) == 0 {
		want = nil
	}
	if diff := cmp.Diff([]any{want, more}, []any{h.Publications, h.More}); err != nil || diff != "" {
		d.Fatalf("%s since %v with %+v: %v, %s", name, since, limit, err, diff)
	}
}

// TestModel makes random calls, with restarts, losses of power, failures of the disk and changes of
// the rules, and compares what is kept with a naive model.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var failure any // rapid's panic must be raised again on rapid's own goroutine
		synctest.Test(t, func(t *testing.T) {
			defer func() { failure = recover() }()
			d := &model{
				T: rt, fsys: newFaultFS(rapid.Uint64().Draw(rt, "seed")), names: []string{"a", "b", "c"}, logs: map[string]*modelLog{},
				lazy: rapid.IntRange(0, 2).Draw(rt, "lazy") == 0, window: time.Duration(rapid.SampledFrom([]int{2, 30}).Draw(rt, "window")) * time.Second,
			}
			for _, name := range d.names {
				d.logs[name] = &modelLog{keys: map[string]modelEntry{}, lost: map[uint64]bool{}, doubtful: map[uint64]bool{}, unsureOf: map[string]bool{}}
			}
			d.drawRules()
			d.open()
			defer func() { d.e.Close() }()
			for range rapid.IntRange(1, 50).Draw(rt, "steps") {
				name := rapid.SampledFrom(d.names).Draw(rt, "channel")
				switch rapid.SampledFrom([]string{
					"publish", "publish", "publish", "many", "many", "key", "key", "wait", "long", "page", "page", "purge", "reopen", "rules", "crash", "full", "no room", "sync",
				}).Draw(rt, "action") {
				case "publish":
					d.publish(d.item(name, ""))
				case "many":
					d.publishMany()
				case "key":
					d.publishKey(name)
				case "wait":
					<-time.After(time.Duration(rapid.IntRange(0, 4000).Draw(rt, "ms")) * time.Millisecond)
				case "long": // channels are forgotten, and segments removed
					<-time.After(70 * time.Minute)
				case "page":
					d.page(name)
				case "purge":
					d.purge(name)
				case "reopen":
					d.reopen(false, false)
				case "rules":
					d.reopen(false, true)
				case "crash":
					d.reopen(true, false)
				case "full":
					d.fails(name, "write", syscall.ENOSPC, engine.ErrStorageFull)
				case "no room":
					d.fails(name, "allocate", syscall.ENOSPC, engine.ErrStorageFull)
				case "sync":
					d.fails(name, "sync", syscall.EIO, engine.ErrStorageFailed)
				}
				d.agree()
			}
		})
		if failure != nil {
			panic(failure)
		}
	})
}
