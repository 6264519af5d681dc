package nodes

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
)

// An observer sees the nodes that beat, not those that have left, and is not seen.
func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network network
		opened := make(map[string]*Group)
		for _, name := range []string{"n1", "n2"} {
			g, err := open(t.Context(), Options{Servers: natsconn.Options{Node: name}, Version: "v-" + name}, network.bus(name))
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			opened[name] = g
		}
		network.bus("stranger").publish("node.n9.beat", []byte("no beat")) //nolint:errcheck // a fake
		go func() {
			time.Sleep(BeatInterval)
			opened["n2"].Close()
		}()
		got, err := observe(t.Context(), network.bus("observer"))
		if err != nil {
			t.Fatal(err)
		}
		want := []Observed{{Name: "n1", Version: "v-n1", Started: opened["n1"].started}}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if names := opened["n1"].Names(); len(names) > 0 {
			t.Errorf("n1 sees %v", names)
		}
	})
}
