package trial

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// A member is a client on a channel with presence.
type member struct {
	*wstest.Conn
	user   string
	events chan string // of presence; nil if it does not watch
}

const crashRoom = "room.0"

// join connects a user to a node and joins the room.
func (c *cluster) join(t *testing.T, node int, token string, watch bool) *member {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		m := &member{}
		if watch {
			m.events = make(chan string, 1000)
		}
		joined := make(chan bool, 1)
		var err error
		if m.Conn, m.user, err = new(trial).dialV2(t.Context(), c.node(node, false).ws, token); err == nil {
			m.Send(map[string]any{"id": 1, "join": map[string]any{"channels": []any{map[string]any{"channel": crashRoom, "presence": watch}}}})
			go m.read(joined)
			if <-joined {
				return m
			}
			m.Close()
		}
		if !pause(ctx, retryPause) {
			t.Fatalf("node %d lets nobody in: %v", node, err)
		}
	}
}

// read reads until the connection ends.
func (m *member) read(joined chan<- bool) {
	for {
		f, err := m.NextMessage()
		switch {
		case err != nil:
			select {
			case joined <- false:
			default: // it has joined
			}
			if m.events != nil {
				m.events <- "the connection ended: " + err.Error()
			}
			return
		case f.Join != nil:
			joined <- f.Join.Channels[0].Error == nil
		case f.Presence != nil && m.events != nil:
			m.events <- f.Presence.Event + " " + f.Presence.User
		}
	}
}

// expect reads events, in any order.
func (m *member) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	var got []string
	for range want {
		select {
		case e := <-m.events:
			got = append(got, e)
		case <-time.After(time.Minute):
			t.Fatalf("%s: got %v, want %v", when, got, want)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", when, diff)
	}
}

// present returns the users in the room, according to a node.
func (c *cluster) present(t *testing.T, i int) (users []string) {
	t.Helper()
	w := &world{requests: c.requests}
	var state wstest.Presence
	if err := w.call(t.Context(), "GET", "http://"+c.node(i, false).api+"/v2/channels/"+crashRoom+"/presence", &state); err != nil {
		t.Fatal(err)
	}
	return presenceCall(&state).Members
}

// TestCrashes kills nodes with users on them. A user that does not return leaves once, after the linger.
// A user that returns within the linger causes no event. No user stays on any node. It takes minutes, and
// `make soak` runs it.
func TestCrashes(t *testing.T) {
	if os.Getenv("CLUSTER_FAULTS") == "" {
		t.Skip("CLUSTER_FAULTS is not set")
	}
	const rounds, victims, linger = 50, 2, 3 * time.Second
	r := newRequests()
	defer r.close()
	c := newCluster(r)
	c.linger = linger
	defer func() {
		if err := c.end(); err != nil {
			t.Error(err)
		}
	}()
	if err := c.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	watcher := c.join(t, 0, c.token(), true)
	defer watcher.Close()
	var backs, leaves []time.Duration
	for round := range rounds {
		var killed [victims]*member
		var tokens [victims]string
		var left []string
		for v := range victims {
			tokens[v] = c.token()
			killed[v] = c.join(t, 1+v, tokens[v], false)
			watcher.expect(t, "join", "join "+killed[v].user)
			gone := c.join(t, 1+v, c.token(), false)
			watcher.expect(t, "join", "join "+gone.user)
			left = append(left, "leave "+gone.user)
		}
		began := time.Now()
		var dying sync.WaitGroup
		for v := range victims {
			n := c.node(1+v, true)
			c.forget(1 + v)
			dying.Go(n.kill)
		}
		dying.Wait()
		var again []*member
		for v := range victims {
			again = append(again, c.join(t, 0, tokens[v], false))
			backs = append(backs, time.Since(began))
		}
		var starting sync.WaitGroup
		for v := range victims {
			starting.Go(func() {
				if err := c.startNode(t.Context(), 1+v); err != nil {
					t.Error(err)
				}
			})
		}
		watcher.expect(t, fmt.Sprintf("round %d, back after %v", round, backs[len(backs)-victims:]), left...)
		leaves = append(leaves, time.Since(began))
		starting.Wait()
		if t.Failed() {
			return
		}
		for _, m := range again {
			m.Send(map[string]any{"id": 2, "leave": map[string]any{"channels": []string{crashRoom}}})
			watcher.expect(t, "leave", "leave "+m.user)
			m.Close()
		}
		for i := range nodes {
			want := []string{watcher.user}
			var got []string
			for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && !slices.Equal(want, got); pause(t.Context(), retryPause) {
				got = c.present(t, i)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("round %d: node %d (-want +got):\n%s", round, i, diff)
			}
		}
	}
	slices.Sort(backs)
	slices.Sort(leaves)
	t.Logf("%d crashes, linger %v: users were back after %v at most; the others had left after %v (median) and %v (longest)",
		rounds*victims, linger, backs[len(backs)-1].Round(time.Millisecond), leaves[len(leaves)/2].Round(time.Millisecond), leaves[len(leaves)-1].Round(time.Millisecond))
}
