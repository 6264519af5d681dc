package tail_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/tail"
)

func watch(t *testing.T, l *tail.Log, f tail.Filter) *tail.Watcher {
	t.Helper()
	w, err := l.Watch(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// names returns a watcher's events as texts, and a line about missing ones.
func names(t *testing.T, w *tail.Watcher) []string {
	t.Helper()
	events, missed, err := w.Take()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range events {
		list = append(list, string(e.Kind)+" "+e.Channel+e.Session)
	}
	if missed > 0 {
		list = append(list, fmt.Sprintf("missed %d", missed))
	}
	return list
}

// A new watcher begins with what the log has kept, in order, whatever the kinds.
func TestWatchBeginsWithRecentEvents(t *testing.T) {
	l := tail.New()
	l.Add(tail.Event{Kind: tail.Opened, Session: "1"})
	l.Add(tail.Event{Kind: tail.Message, Channel: "a"})
	l.Add(tail.Event{Kind: tail.Opened, Session: "2"})
	w := watch(t, l, tail.Filter{})
	l.Add(tail.Event{Kind: tail.Ended, Session: "1"})
	if diff := cmp.Diff([]string{"opened 1", "message a", "opened 2", "ended 1"}, names(t, w)); diff != "" {
		t.Error(diff)
	}
	if got := names(t, w); got != nil {
		t.Errorf("taken twice: %v", got)
	}
}

// The kinds have room of their own: many messages do not displace the last session.
func TestKindsDoNotDisplaceEachOther(t *testing.T) {
	l := tail.New()
	l.Add(tail.Event{Kind: tail.Opened, Session: "1"})
	for i := range tail.Recent + 10 {
		l.Add(tail.Event{Kind: tail.Message, Channel: fmt.Sprint(i)})
	}
	want := []string{"opened 1"}
	for i := range tail.Recent {
		want = append(want, fmt.Sprint("message ", i+10))
	}
	if diff := cmp.Diff(want, names(t, watch(t, l, tail.Filter{}))); diff != "" {
		t.Error(diff)
	}
}

func TestRecentMessagesAreBounded(t *testing.T) {
	l := tail.New()
	for i := range 10 {
		l.Add(tail.Event{Kind: tail.Message, Channel: fmt.Sprint(i), Data: make([]byte, tail.RecentBytes/3)})
	}
	if diff := cmp.Diff([]string{"message 7", "message 8", "message 9"}, names(t, watch(t, l, tail.Filter{}))); diff != "" {
		t.Error(diff)
	}
}

func TestFilter(t *testing.T) {
	pattern, err := access.ParsePattern("chat.*")
	if err != nil {
		t.Fatal(err)
	}
	other, err := access.ParsePattern("news")
	if err != nil {
		t.Fatal(err)
	}
	events := []tail.Event{
		{Kind: tail.Message, Channel: "chat.1", User: "ann"},
		{Kind: tail.Message, Channel: "news"},
		{Kind: tail.Opened, Session: "s_1"},
		{Kind: tail.Gap, Channel: "chat.2", Session: "s_1"},
		{Kind: tail.Refused, Channel: "chat.3", User: "ann"},
	}
	for name, c := range map[string]struct {
		filter tail.Filter
		want   []int
	}{
		"all":       {tail.Filter{}, []int{0, 1, 2, 3, 4}},
		"channels":  {tail.Filter{Channels: &pattern}, []int{0, 3, 4}},
		"kinds":     {tail.Filter{Kinds: []tail.Kind{tail.Gap, tail.Opened}}, []int{2, 3}},
		"a user":    {tail.Filter{User: "ann"}, []int{0, 4}},
		"a session": {tail.Filter{Session: "s_1"}, []int{2, 3}},
		"several":   {tail.Filter{Channels: &pattern, Session: "s_1", Kinds: []tail.Kind{tail.Gap}}, []int{3}},
		"within":    {tail.Filter{Within: []access.Pattern{other, pattern}}, []int{0, 1, 3, 4}},
		"narrower":  {tail.Filter{Within: []access.Pattern{other}, Channels: &pattern}, nil},
		"nowhere":   {tail.Filter{Within: []access.Pattern{}}, nil},
		"none":      {tail.Filter{User: "ann", Session: "s_1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := tail.New()
			w := watch(t, l, c.filter)
			for _, e := range events {
				l.Add(e)
			}
			late := watch(t, l, c.filter)
			var want []string
			for _, i := range c.want {
				want = append(want, string(events[i].Kind)+" "+events[i].Channel+events[i].Session)
			}
			for _, w := range []*tail.Watcher{w, late} {
				if diff := cmp.Diff(want, names(t, w)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// A slow watcher learns how many events are missing, and after which one.
func TestSlowWatcher(t *testing.T) {
	l := tail.New()
	pattern, _ := access.ParsePattern("a")
	slow, large := watch(t, l, tail.Filter{Channels: &pattern}), watch(t, l, tail.Filter{Kinds: []tail.Kind{tail.Gap}})
	for range tail.MaxQueue + 5 {
		l.Add(tail.Event{Kind: tail.Message, Channel: "a"})
		l.Add(tail.Event{Kind: tail.Message, Channel: "other"})
	}
	got := names(t, slow)
	if want := append(slices.Repeat([]string{"message a"}, tail.MaxQueue), "missed 5"); !slices.Equal(got, want) {
		t.Errorf("%d events, the last %v", len(got), got[len(got)-2:])
	}
	l.Add(tail.Event{Kind: tail.Message, Channel: "a"})
	if diff := cmp.Diff([]string{"message a"}, names(t, slow)); diff != "" {
		t.Error(diff)
	}
	for _, size := range []int{tail.MaxQueueBytes + 1, 1} { // the first one is always taken
		l.Add(tail.Event{Kind: tail.Gap, Channel: "b", Data: bytes.Repeat([]byte("x"), size)})
	}
	if diff := cmp.Diff([]string{"gap b", "missed 1"}, names(t, large)); diff != "" {
		t.Error(diff)
	}
}

func TestWatchedAndClosed(t *testing.T) {
	l := tail.New()
	if l.Watched() {
		t.Error("watched by nobody")
	}
	var all []*tail.Watcher
	for range tail.MaxWatchers {
		all = append(all, watch(t, l, tail.Filter{}))
	}
	if _, err := l.Watch(tail.Filter{}); !errors.Is(err, tail.ErrTooManyWatchers) {
		t.Errorf("one too many: %v", err)
	}
	for _, w := range all[1:] {
		w.Close()
		w.Close()
	}
	if !l.Watched() {
		t.Error("nobody watches")
	}
	select {
	case <-all[0].Ready():
		t.Error("ready without an event")
	default:
	}
	l.Add(tail.Event{Kind: tail.Gap})
	l.Close()
	<-all[0].Ready()
	if got := names(t, all[0]); len(got) != 1 {
		t.Errorf("before the end: %v", got)
	}
	if _, _, err := all[0].Take(); !errors.Is(err, tail.ErrClosed) {
		t.Errorf("at the end: %v", err)
	}
	if _, err := l.Watch(tail.Filter{}); !errors.Is(err, tail.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	all[0].Close()
	if l.Watched() {
		t.Error("watched after the end")
	}
	var none *tail.Log
	none.Add(tail.Event{})
	none.Close()
	if _, err := none.Watch(tail.Filter{}); none.Watched() || !errors.Is(err, tail.ErrClosed) {
		t.Errorf("nil: %v", err)
	}
}

func TestPublisher(t *testing.T) {
	l := tail.New()
	at := func(n uint64) engine.Position { return engine.Position{Epoch: 1, Offset: n} }
	l.Add(tail.Event{Kind: tail.Message, Channel: "a", Position: at(1), Key: "k1"})
	l.Add(tail.Event{Kind: tail.Message, Channel: "a", Position: at(2), Key: "k2"})
	l.Add(tail.Event{Kind: tail.Message, Channel: "b", Position: at(1), Key: "k3"})
	for _, c := range []struct {
		channel string
		offset  uint64
		want    string
	}{{"a", 1, "k1"}, {"a", 2, "k2"}, {"b", 1, "k3"}, {"b", 2, ""}, {"c", 1, ""}} {
		if e, ok := l.Publisher(c.channel, at(c.offset)); e.Key != c.want || ok != (c.want != "") {
			t.Errorf("%s %d: %v %v", c.channel, c.offset, e, ok)
		}
	}
}

// A log forgets the messages of a channel up to a position, with the room that they took.
func TestForget(t *testing.T) {
	l := tail.New()
	add := func(channel string, at engine.Position) {
		l.Add(tail.Event{Kind: tail.Message, Channel: channel, Position: at, Data: make([]byte, tail.RecentBytes/4)})
	}
	l.Add(tail.Event{Kind: tail.Gap, Channel: "a", Position: engine.Position{Epoch: 1, Offset: 1}})
	add("a", engine.Position{Epoch: 1, Offset: 1})
	add("a", engine.Position{Epoch: 1, Offset: 2})
	add("b", engine.Position{Epoch: 1, Offset: 1})
	add("a", engine.Position{Epoch: 1, Offset: 3})
	l.Forget("a", engine.Position{Epoch: 1, Offset: 2})
	add("c", engine.Position{Epoch: 1, Offset: 1})
	add("a", engine.Position{Epoch: 2, Offset: 1})
	l.Forget("a", engine.Position{Epoch: 1, Offset: 2})
	if diff := cmp.Diff([]string{"gap a", "message b", "message a", "message c", "message a"}, names(t, watch(t, l, tail.Filter{}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	(*tail.Log)(nil).Forget("a", engine.Position{})
}
