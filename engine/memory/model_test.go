package memory_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// modelLog is the expected log of a channel: a list that drops its oldest entry while it is over a
// limit.
type modelLog struct {
	limits      engine.Retention
	entries     []modelEntry
	floor, head uint64
	purged      uint64
	forgettable bool // the engine may have forgotten the purge
	touched     time.Time
	keys        map[string]modelEntry
	ever        []uint64 // every offset that a reader may have as its position
	followed    []uint64 // the offsets that a follower should have received
	following   bool
	clients     bool // clients have published on it: its newer messages may be evicted first
}

type modelEntry struct {
	Offset uint64
	Data   string
	Sender uint64
	at     time.Time
}

// model is a naive [engine.Engine].
type model struct {
	*rapid.T
	m       *testEngine
	o       memory.Options
	epoch   uint64
	logs    map[string]*modelLog
	dropped uint64
}

// trim drops the entries that are too old or over a limit.
func (l *modelLog) trim() (dropped uint64) {
	for len(l.entries) > 0 {
		bytes := 0
		for _, e := range l.entries {
			bytes += len(e.Data)
		}
		n := len(l.entries)
		if n <= l.limits.Messages && (int64(bytes) <= l.limits.Bytes || n == 1) && time.Since(l.entries[0].at) <= l.limits.Age {
			break
		}
		l.floor, l.entries = l.entries[0].Offset, l.entries[1:]
		dropped++
	}
	return dropped
}

// liveKeys drops the expired keys, and returns how many keys of all channels may still take up
// memory.
func (d *model) liveKeys() (held int) {
	for _, l := range d.logs {
		for key, e := range l.keys {
			if time.Since(e.at) > d.o.KeyWindow+40*time.Second {
				delete(l.keys, key)
			}
		}
		held += len(l.keys)
	}
	return held
}

// agree compares the bounds of all logs and the counters with the model. The model takes over two
// of the engine's decisions: that the ceiling was reached, and that a log was forgotten. An evicted
// publication must be the oldest of all, unless clients publish on its channel.
func (d *model) agree() {
	var newest time.Time // time of the newest evicted publication on channels where only backends publish
	kept := int64(0)
	for name, l := range d.logs {
		h, err := d.m.Read(context.Background(), name, engine.Position{}, engine.Limit{})
		if err != nil {
			d.Fatal(err)
		}
		d.dropped += l.trim()
		if h.Head.Offset != l.head {
			// The log was forgotten, and perhaps created again.
			if h.Head.Offset < l.head || h.Floor != h.Head || len(l.entries) > 0 || d.o.Memory == 0 && time.Since(l.touched) < time.Hour {
				d.Fatalf("%s: head %v, want %d; %d kept", name, h.Head, l.head, len(l.entries))
			}
			l.head, l.floor, l.purged = h.Head.Offset, h.Head.Offset, 0
		}
		if len(l.entries) == 0 && (d.o.Memory > 0 || time.Since(l.touched) >= time.Hour) {
			l.forgettable = true
		}
		for len(l.entries) > 0 && l.entries[0].Offset <= h.Floor.Offset {
			if d.o.Memory == 0 {
				d.Fatalf("%s: %d was dropped without a reason", name, l.entries[0].Offset)
			}
			if !l.clients {
				newest = later(newest, l.entries[0].at)
			}
			l.floor, l.entries = l.entries[0].Offset, l.entries[1:]
			d.dropped++
		}
		if h.Floor.Offset != l.floor {
			d.Fatalf("%s: floor %v, want %d", name, h.Floor, l.floor)
		}
		kept += int64(len(l.entries))
	}
	for name, l := range d.logs {
		if len(l.entries) > 0 && l.entries[0].at.Before(newest) {
			d.Fatalf("%s: %d was kept although newer ones were evicted", name, l.entries[0].Offset)
		}
	}
	s := d.m.Stats()
	if s.Evicted != d.dropped || s.Publications != kept || s.Evicted != s.EvictedAge+s.EvictedBounds+s.EvictedMemory+s.EvictedPurge {
		d.Fatalf("%d dropped and %d kept, but %+v", d.dropped, kept, s)
	}
	if d.o.Memory > 0 && s.Bytes > d.o.Memory && kept > 0 {
		d.Fatalf("above the ceiling: %+v", s)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (d *model) publish(name string, l *modelLog, key string) {
	e := modelEntry{
		Data: strings.Repeat("x", rapid.IntRange(1, 8).Draw(d.T, "size")), Sender: rapid.Uint64Range(0, 2).Draw(d.T, "sender"), at: time.Now(),
	}
	held, publisher := d.liveKeys(), rapid.SampledFrom([]string{"", "p"}).Draw(d.T, "publisher")
	ack, err := d.m.Publish(context.Background(), name, engine.Message{Data: []byte(e.Data), Key: key, Sender: e.Sender, Publisher: publisher})
	if first, ok := l.keys[key]; ok && key != "" && time.Since(first.at) <= d.o.KeyWindow {
		switch {
		case first.Data != e.Data:
			if err != engine.ErrKeyReused {
				d.Fatalf("key %s reused: %v", key, err)
			}
		case err != nil || !ack.Duplicate || ack.Position.Offset != first.Offset:
			d.Fatalf("key %s again: %+v, %v; want the position %d", key, ack, err, first.Offset)
		}
		return
	}
	if errors.Is(err, engine.ErrTooManyKeys) {
		room := d.o.Memory / 4
		if publisher != "" {
			room = d.o.Memory / 8 / 9 // one publisher's part of the publishers' keys
		}
		if key == "" || d.o.Memory == 0 || int64(held+1)*1000 < room {
			d.Fatalf("%d keys are too many", held)
		}
		return
	}
	if err != nil || ack.Duplicate || ack.Position.Offset <= l.head {
		d.Fatalf("publish after %d: %+v, %v", l.head, ack, err)
	}
	if ack.Position.Offset != l.head+1 { // the log was forgotten in between
		if len(l.entries) > 0 || l.following {
			d.Fatalf("%d after %d", ack.Position.Offset, l.head)
		}
		l.floor, l.purged = ack.Position.Offset-1, 0
	}
	l.clients = l.clients || publisher != ""
	e.Offset, l.head, l.touched = ack.Position.Offset, ack.Position.Offset, time.Now()
	l.entries, l.ever = append(l.entries, e), append(l.ever, e.Offset)
	if key != "" {
		l.keys[key] = e
	}
	if l.following {
		l.followed = append(l.followed, e.Offset)
	}
	d.dropped += l.trim()
}

func (d *model) purge(name string, l *modelLog) {
	d.agree()
	at, err := d.m.Purge(context.Background(), name)
	if want := (engine.Position{Epoch: d.epoch, Offset: l.head}); err != nil || at != want {
		d.Fatalf("purge %s: %v, %v; want %v", name, at, err, want)
	}
	if n := len(l.entries); n > 0 {
		l.floor, l.purged, l.forgettable, l.entries = l.head, l.head, false, nil
		d.dropped += uint64(n)
	}
}

func (d *model) read(name string, l *modelLog) {
	epoch := d.epoch
	since := engine.Position{}
	switch rapid.IntRange(0, 5).Draw(d.T, "since") {
	case 0, 1, 2:
		if len(l.ever) > 0 {
			since = engine.Position{Epoch: epoch, Offset: rapid.SampledFrom(l.ever).Draw(d.T, "offset")}
		}
	case 3:
		since = engine.Position{Epoch: epoch, Offset: l.head + rapid.Uint64Range(0, 2).Draw(d.T, "ahead")}
	case 4:
		since = engine.Position{Epoch: epoch + 1, Offset: l.head}
	}
	limit := engine.Limit{Messages: rapid.SampledFrom([]int{1000, -1000, 0, 1, 2, 3, -1, -2, -3}).Draw(d.T, "limit")}
	if limit.Messages >= 0 {
		limit.Before = rapid.SampledFrom([]uint64{0, 0, 0, math.MaxUint64, 1, l.floor, l.head, l.head + 1, l.head - min(l.head, 2)}).Draw(d.T, "before")
	}

	d.agree()
	var want []modelEntry
	var wantErr error
	switch {
	case since.Epoch > epoch:
		wantErr = engine.ErrUnknownEpoch
	case since.Offset > l.head, limit.Before > l.head && limit.Before != math.MaxUint64:
		wantErr = engine.ErrAhead
	case !since.IsZero() && since.Offset < l.floor && since.Offset < l.purged:
		wantErr = engine.ErrPurged
	case !since.IsZero() && since.Offset < l.floor:
		wantErr = engine.ErrExpired
	default:
		for _, e := range l.entries {
			if e.Offset > since.Offset && (limit.Before == 0 || e.Offset < limit.Before) {
				want = append(want, modelEntry{Offset: e.Offset, Data: e.Data, Sender: e.Sender})
			}
		}
		switch n := limit.Messages; {
		case n < 0:
			want = want[max(len(want)+n, 0):]
		case limit.Before > 0:
			want = want[max(len(want)-n, 0):]
		default:
			want = want[:min(n, len(want))]
		}
	}
	h, err := d.m.Read(context.Background(), name, since, limit)
	if err == engine.ErrExpired && wantErr == engine.ErrPurged && l.forgettable {
		wantErr = err
	}
	if err != wantErr {
		d.Fatalf("read %s since %v: %v, want %v", name, since, err, wantErr)
	}
	wantBounds := []engine.Position{{Epoch: epoch, Offset: l.floor}, {Epoch: epoch, Offset: l.head}}
	if diff := cmp.Diff(wantBounds, []engine.Position{h.Floor, h.Head}); diff != "" {
		d.Fatalf("read %s since %v (%v): floor and head: %s", name, since, err, diff)
	}
	var got []modelEntry
	for _, p := range h.Publications {
		got = append(got, modelEntry{Offset: p.Offset, Data: string(p.Data), Sender: p.Sender})
	}
	if len(got)+len(want) > 0 {
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(modelEntry{})); diff != "" {
			d.Fatalf("read %s since %v, limit %+v: %s", name, since, limit, diff)
		}
	}
}

// TestMemoryAgainstAModel makes random calls to an engine with several channels, each with its own
// limits, and compares the results with a naive model. Each read must return exactly the model's
// publications, or the right error with the right bounds.
func TestMemoryAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := &model{T: rt, logs: map[string]*modelLog{}}
		d.o = memory.Options{
			Memory:    rapid.SampledFrom([]int64{0, 0, 1500, 3000, 8000, 16000}).Draw(rt, "ceiling"),
			KeyWindow: time.Duration(rapid.IntRange(1, 10).Draw(rt, "window")) * time.Second,
			Limits:    func(channel string) engine.Retention { return d.logs[channel].limits },
		}
		names := []string{"a", "b", "c"}
		for _, name := range names {
			d.logs[name] = &modelLog{keys: map[string]modelEntry{}, limits: engine.Retention{
				Messages: rapid.SampledFrom([]int{-1, 1, 2, 5, 100}).Draw(rt, "messages"),
				Bytes:    rapid.SampledFrom([]int64{5, 60, 1000}).Draw(rt, "bytes"),
				Age:      time.Duration(rapid.SampledFrom([]int{1, 10, 60}).Draw(rt, "seconds")) * time.Second,
			}}
		}
		defer clock.Step(0)()
		var failure any // rapid's panic must be raised again on rapid's own goroutine
		inMemory(t, d.o, func(m *testEngine) {
			defer func() { failure = recover() }()
			d.m = m
			followed := map[string]*[]uint64{}
			stops := map[string]func(){}
			h, err := m.Read(context.Background(), "none", engine.Position{}, engine.Limit{})
			if err != nil {
				rt.Fatal(err)
			}
			d.epoch = h.Head.Epoch
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				name := rapid.SampledFrom(names).Draw(rt, "channel")
				l := d.logs[name]
				switch rapid.SampledFrom([]string{"publish", "publish", "publish", "key", "key", "wait", "read", "read", "purge", "follow", "long", "clock"}).Draw(rt, "action") {
				case "publish":
					d.publish(name, l, "")
				case "key":
					d.publish(name, l, rapid.SampledFrom([]string{"k1", "k2", "k3"}).Draw(rt, "key"))
				case "wait":
					<-time.After(time.Duration(rapid.IntRange(0, 4000).Draw(rt, "ms")) * time.Millisecond)
				case "long":
					if rapid.IntRange(0, 4).Draw(rt, "how long") == 0 {
						<-time.After(70 * time.Minute)
					}
				case "clock": // the clock is set, which must change nothing
					clock.Step(time.Duration(rapid.SampledFrom([]int{-3600, -5, 0, 5, 3600}).Draw(rt, "set by")) * time.Second)
				case "purge":
					d.purge(name, l)
				case "read":
					d.read(name, l)
				case "follow":
					if l.following {
						stops[name]()
						l.following, l.touched = false, time.Now()
						break
					}
					if followed[name] == nil {
						followed[name] = new([]uint64)
					}
					head, stop, err := m.Follow(context.Background(), name, boreastest.DeliverFunc(func(p *engine.Publication) { *followed[name] = append(*followed[name], p.Offset) }))
					if err != nil {
						rt.Fatal(err)
					}
					d.agree()
					if head.Offset != l.head {
						rt.Fatalf("follow at %v, want %d", head, l.head)
					}
					stops[name], l.following, l.ever = stop, true, append(l.ever, head.Offset)
				}
				d.agree()
			}
			for name, l := range d.logs {
				if followed[name] != nil {
					if diff := cmp.Diff(fmt.Sprint(l.followed), fmt.Sprint(*followed[name])); diff != "" {
						rt.Fatal(diff)
					}
				}
			}
		})
		if failure != nil {
			panic(failure)
		}
	})
}
