package boreas_test

import (
	gocmp "cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

func TestListSessions(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		want := map[string]boreas.SessionInfo{}
		for range 100 {
			s, _ := w.announced("news", "sport")
			want[s.ID()] = boreas.SessionInfo{ID: s.ID(), User: "u", TokenID: "id of user", Since: time.Now(), Channels: []string{"news", "sport"}}
		}
		got := map[string]boreas.SessionInfo{}
		after, pages := "", 0
		for more := true; more; pages++ {
			var list []boreas.SessionInfo
			var err error
			list, more, err = w.hub.ListSessions(after, 7)
			if err != nil {
				t.Fatal(err)
			}
			for _, info := range list {
				got[info.ID] = info
				after = info.ID
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || pages != 15 {
			t.Errorf("%d pages: %s", pages, diff)
		}
		info, err := w.hub.SessionInfo(after)
		if diff := cmp.Diff(want[after], info, cmpopts.IgnoreFields(boreas.SessionInfo{}, "Places")); diff != "" || err != nil {
			t.Error(err, diff)
		}
		if err := w.hub.EndSession(after, boreas.ErrTerminated); err != nil {
			t.Error(err)
		}
		w.settle()
		live, _ := w.announced()
		padded := "s_0" + live.ID()[2:] // a second text of the same ID
		ofNode := "s_n1_" + live.ID()[2:]
		for _, id := range []string{after, padded, ofNode, strings.ToUpper(live.ID()), "", "s_", "s_0", "s_00", "x", "s_ffffffffffffffffffff"} {
			if _, err := w.hub.SessionInfo(id); err != boreas.ErrNoSession {
				t.Errorf("%q: %v", id, err)
			}
			if err := w.hub.EndSession(id, boreas.ErrTerminated); err != boreas.ErrNoSession {
				t.Errorf("%q: %v", id, err)
			}
		}
		for _, after := range []string{"x", ofNode} {
			if _, _, err := w.hub.ListSessions(after, 1); err != boreas.ErrNoSession {
				t.Errorf("after %s: %v", after, err)
			}
		}
	})
}

// A hub finds only its own sessions. If each node is asked for its sessions after the same ID, the
// pages together contain every session once, in one order.
func TestSessionsOfSeveralNodes(t *testing.T) {
	nodes := []string{"a", "a1", "b"}
	var hubs []*boreas.Hub
	var want []string
	for _, node := range nodes {
		h := boreas.New(boreas.Options{Node: node})
		defer h.Shutdown(context.Background(), 0)
		hubs = append(hubs, h)
		var ids []string
		for range 20 {
			s, _, err := boreastest.Open(h)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, s.ID())
		}
		slices.SortFunc(ids, func(a, b string) int { return gocmp.Compare(idNumber(t, node, a), idNumber(t, node, b)) })
		want = append(want, ids...)
	}
	for i, h := range hubs {
		for _, id := range want {
			node, ok := boreas.SessionNode(id)
			if !ok {
				t.Fatalf("%q is no ID", id)
			}
			info, err := h.SessionInfo(id)
			if node == nodes[i] && info.ID != id || node != nodes[i] && err != boreas.ErrNoSession {
				t.Errorf("node %s, session %s: %v, %v", nodes[i], id, info, err)
			}
		}
	}
	for _, limit := range []int{1, 7, 20, 100} {
		var got []string
		for after, more := "", true; more; {
			more = false
			var page []string
			for _, h := range hubs {
				list, further, err := h.ListSessions(after, limit-len(page))
				if err != nil {
					t.Fatal(err)
				}
				for _, info := range list {
					page = append(page, info.ID)
				}
				more = more || further
			}
			if more {
				after = page[len(page)-1]
			}
			got = append(got, page...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d: %s", limit, diff)
		}
	}
}

// idNumber returns the number in the ID of one of the node's sessions.
func idNumber(t *testing.T, node, id string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(id, "s_"+node+"_"), 32, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestListChannels(t *testing.T) {
	ctx := context.Background()
	inWorld(t, boreas.Options{}, func(w world) {
		w.announced("a.1", "a.2", "b")
		w.announced("a.1")
		w.publishUpTo("a.2", 1, 3)
		head := w.head("a.2")
		start := engine.Position{Epoch: head.Epoch}
		want := []boreas.ChannelInfo{
			{Name: "a.1", Subscribers: 2, Head: start, Oldest: start, Rule: w.hub.Rule("a.1")},
			{Name: "a.2", Subscribers: 1, Head: head, Oldest: start, Published: 3, Rule: w.hub.Rule("a.2")},
		}
		list, more, err := w.hub.ListChannels(ctx, "a.", "", 10)
		if diff := cmp.Diff(want, list); diff != "" || more || err != nil {
			t.Error(more, err, diff)
		}
		list, more, err = w.hub.ListChannels(ctx, "", "a.1", 1)
		if diff := cmp.Diff(want[1:], list); diff != "" || !more || err != nil {
			t.Error(more, err, diff)
		}
		if _, err := w.hub.Channel(ctx, ""); !errors.Is(err, access.ErrChannelName) {
			t.Error(err)
		}
	})
}

// A session whose place lingers, or whose join is not finished, counts only in presence.
func TestCountsAreOfJoinedSessions(t *testing.T) {
	for _, step := range []string{"joining", "joined", "lingering", "gone"} {
		t.Run(step, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				between := &boreastest.Between{Engine: newMemory(memory.Options{})}
				defer between.Close()
				o := lingering()
				o.Engine = between
				w := world{t, boreas.New(o)}
				defer w.hub.Shutdown(context.Background(), 0)
				s, _ := w.subscriber()
				hold := make(chan struct{})
				if step == "joining" {
					between.AfterFollow = func(string) { <-hold }
				}
				go join(s, "chat")
				w.settle()
				want := 0
				switch step {
				case "joined":
					want = 1
				case "lingering":
					s.Lost(errors.New("lost"))
				case "gone":
					s.Leave("chat")
				}
				stats, census := w.hub.Stats(), w.hub.Counts()
				if stats.Channels != want || stats.Subscriptions != want {
					t.Errorf("stats: %d channels, %d subscriptions, want %d", stats.Channels, stats.Subscriptions, want)
				}
				if len(census.Channels) != want || want == 1 && census.Channels[0] != (boreas.Count{Name: "chat", Sessions: 1}) {
					t.Errorf("counts: %v", census.Channels)
				}
				if n := w.hub.Subscribers("chat"); n != want {
					t.Errorf("%d subscribers, want %d", n, want)
				}
				list, _, err := w.hub.ListChannels(context.Background(), "", "", 10)
				if len(list) != want || err != nil {
					t.Errorf("list: %v, %v", list, err)
				}
				if _, present := w.hub.Presence("chat"); present != nil {
					t.Error(present)
				}
				close(hold)
				w.settle()
			})
		})
	}
}

// Pages of channels and of sessions together contain all of them, in order, for any distribution of
// names.
func TestPagesAreComplete(t *testing.T) {
	ctx := context.Background()
	inWorld(t, boreas.Options{}, func(w world) {
		var want []string
		for i := range 300 {
			name := strconv.FormatUint(uint64(i)*0x9e3779b97f4a7c15, 36)
			if i%5 == 0 {
				name = "p." + name
			}
			want = append(want, name)
			switch {
			case i%3 == 0:
				w.publish(name, "1")
			case i%7 == 0:
				w.publish(name, "1")
				fallthrough
			default:
				w.subscriber(name)
			}
		}
		slices.Sort(want)
		for _, prefix := range []string{"", "p.", "zzzz"} {
			wanted := slices.DeleteFunc(slices.Clone(want), func(name string) bool { return !strings.HasPrefix(name, prefix) })
			for _, limit := range []int{1, 2, 7, 59, 60, 299, 300, 1000} {
				var got []string
				after, pages := "", 0
				for more := true; more; pages++ {
					var list []boreas.ChannelInfo
					var err error
					if list, more, err = w.hub.ListChannels(ctx, prefix, after, limit); err != nil {
						t.Fatal(err)
					}
					for _, info := range list {
						after = info.Name
						got = append(got, after)
					}
				}
				if diff := cmp.Diff(wanted, got, cmpopts.EquateEmpty()); diff != "" || pages != max((len(wanted)+limit-1)/limit, 1) {
					t.Errorf("%q, pages of %d: %d pages: %s", prefix, limit, pages, diff)
				}
			}
		}
	})
}

// A hub counts the subscribers of the channels that it uses, page by page. Channels with messages only
// are not among them.
func TestChannelCounts(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		w.subscriber("a.1", "b")
		w.subscriber("a.1", "a.2")
		w.publish("a.0", "1")
		for _, c := range []struct {
			prefix, after string
			limit         int
			want          []boreas.Count
			more          bool
		}{
			{"", "", 3, []boreas.Count{{Name: "a.1", Sessions: 2}, {Name: "a.2", Sessions: 1}, {Name: "b", Sessions: 1}}, false},
			{"", "a.1", 1, []boreas.Count{{Name: "a.2", Sessions: 1}}, true},
			{"a.", "", 2, []boreas.Count{{Name: "a.1", Sessions: 2}, {Name: "a.2", Sessions: 1}}, false},
			{"c", "", 2, nil, false},
		} {
			list, more := w.hub.ChannelCounts(c.prefix, c.after, c.limit)
			if diff := cmp.Diff(c.want, list); diff != "" || more != c.more {
				t.Errorf("%q after %q: more is %v (-want +got):\n%s", c.prefix, c.after, more, diff)
			}
		}
	})
}
