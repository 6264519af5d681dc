//go:build !noembed

package embed

import (
	"os"
	"testing"
)

// TestKilledAfterFormation: as soon as all nodes of a new cluster have started, any two of them can start without the
// third. Before, a node may not know all others yet, and then the cluster needs all nodes again.
func TestKilledAfterFormation(t *testing.T) {
	if os.Getenv("CLUSTER_FAULTS") == "" {
		t.Skip("CLUSTER_FAULTS is not set: each election takes several seconds")
	}
	for absent := range 3 {
		all := nodes(t, "n1", "n2", "n3")
		processes := make([]*process, len(all))
		start := func(i int) {
			processes[i] = startProcess(t, all[i])
			t.Cleanup(processes[i].kill)
		}
		for i := range all {
			start(i)
		}
		for _, p := range processes {
			<-p.url
		}
		for _, p := range processes {
			p.kill()
		}
		for i := range all {
			if i != absent {
				start(i)
			}
		}
		for i, p := range processes {
			if i != absent {
				await(t, all[i].Node+" to start without "+all[absent].Node, func() bool { return len(p.url) > 0 })
				p.kill()
			}
		}
	}
}
