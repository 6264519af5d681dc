package cluster_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// A node that has neither the purged messages nor the purge in memory asks the servers, which still have
// both. A reader that had received everything gets no gap.
func TestPurgeIsReadFromServers(t *testing.T) {
	urls := natstest.URLs(natstest.Start(t))
	_, js := dial(t, urls...)
	warm := open(t, cluster.Options{Replicas: 1, Servers: node("a")}, urls...)
	var at []engine.Position
	for i := range 4 {
		at = append(at, publish(t, warm, "c", fmt.Sprint(i)))
	}
	purged, err := warm.Purge(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		publish(t, warm, "d", "{}")
	}
	cold := open(t, cluster.Options{Replicas: 1, Servers: node("b"), Memory: 1}, urls...)
	for name, e := range map[string]*cluster.Engine{"warm": warm, "cold": cold} {
		got := map[string]string{}
		for what, p := range map[string]engine.Position{
			"the start": {}, "first": at[0], "before the last": at[2], "last": at[3], "the purge": purged,
		} {
			texts, err := since(e, "c", p)
			got[what] = fmt.Sprint(texts, errors.Is(err, engine.ErrPurged))
			if err != nil && !errors.Is(err, engine.ErrPurged) {
				t.Errorf("%s, since %s: %v", name, what, err)
			}
		}
		want := map[string]string{
			"the start": "[] false", "first": "[] true", "before the last": "[] true", "last": "[] false", "the purge": "[] false",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if cold.Status().ColdReads == 0 {
		t.Error("nothing was read from the servers")
	}
	// The servers have a message with a subject that a version without purges ignores.
	s, err := js.Stream(t.Context(), "BOREAS")
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetLastMsgForSubject(t.Context(), "boreas.ch.=purge-c")
	if err != nil || m.Sequence != purged.Offset || len(m.Data) > 0 {
		t.Errorf("%+v, %v; purged up to %v", m, err, purged)
	}
	publish(t, cold, "c", "new")
	if texts, err := since(cold, "c", at[3]); err != nil || fmt.Sprint(texts) != "[new]" {
		t.Errorf("since the last message before the purge: %v, %v", texts, err)
	}
}
