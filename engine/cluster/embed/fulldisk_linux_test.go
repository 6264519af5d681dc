//go:build !noembed

package embed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/smalldisk"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// TestFullDisk: the disk of one node is full. The node says so, and the other two continue. When there is room, a
// restart is needed: then the node has everything again.
func TestFullDisk(t *testing.T) {
	if os.Getenv("CLUSTER_FAULTS") == "" {
		t.Skip("CLUSTER_FAULTS is not set: an election may take several seconds")
	}
	all := nodes(t, "n1", "n2", "n3")
	disk := smalldisk.New(t, 64<<20)
	all[0].Dir = filepath.Join(disk.Dir, "nats")
	log, lines := testlog.New()
	all[0].Log = log
	servers := startAll(t, all...)
	awaitReady(t, servers)
	stream := makeStream(t, connect(t, servers[1]))
	l := &load{stop: make(chan struct{})}
	l.publish(t, connect(t, servers[1]), "1")
	await(t, "publishes", func() bool { return l.acked.Load() > 50 })
	disk.Fill(t, 0)
	var status Status
	await(t, "the node to notice", func() bool {
		status = servers[0].Status()
		return !status.Ready
	})
	if status.Reason != diskFull {
		t.Errorf("the reason is %q", status.Reason)
	}
	before := l.acked.Load()
	await(t, "publishes with two nodes", func() bool { return l.acked.Load() > before+50 })
	disk.Free(t)
	if err := servers[0].Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	servers[0] = startAll(t, all[0])[0]
	awaitReady(t, servers)
	l.end()
	if got, acked := count(t, stream), l.acked.Load(); got != acked || l.failed.Load() > 0 {
		t.Errorf("the stream has %d messages, %d were acknowledged, and %d failed", got, acked, l.failed.Load())
	}
	if n := strings.Count(lines.String(), `level=ERROR msg="`+diskFull); n != 1 {
		t.Errorf("the log says %d times that the disk is full:\n%s", n, lines)
	}
	t.Logf("%d acknowledged, the longest publish took %v", l.acked.Load(), time.Duration(l.longest.Load()))
}
