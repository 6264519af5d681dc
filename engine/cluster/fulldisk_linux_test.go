package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
	"github.com/boreas-pubsub/boreas/v2/internal/smalldisk"
)

// TestFullDisks: the disk of the server that leads the stream is full, and then that of another one. With one full
// disk no publish fails. With two, none is acknowledged. A server whose disk was full keeps nothing until it is started
// again. Then everything that was acknowledged is there.
func TestFullDisks(t *testing.T) {
	needFaults(t)
	disks := []smalldisk.Disk{smalldisk.New(t, 64<<20), smalldisk.New(t, 64<<20), smalldisk.New(t, 64<<20)}
	servers := natstest.StartProcesses(t, 3, disks[0].Dir, disks[1].Dir, disks[2].Dir)
	l := &load{acked: map[uint64]string{}}
	for i, s := range servers {
		e := open(t, cluster.Options{Servers: node(fmt.Sprint("n", i)), Messages: 100_000}, s.URL, servers[(i+1)%3].URL, servers[(i+2)%3].URL)
		f, _ := follow(t, e, loadChannel)
		l.engines, l.followers = append(l.engines, e), append(l.followers, f)
	}
	_, js := dial(t, servers[0].URL, servers[1].URL, servers[2].URL)
	first := 0
	for servers[first].Name != leaderOf(t, js) {
		first++
	}
	second := (first + 1) % 3
	phase := func(what string, length time.Duration, during func()) {
		ctx, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		var publishing sync.WaitGroup
		publishing.Go(func() { l.run(ctx) })
		time.Sleep(time.Second)
		during()
		publishing.Wait()
		t.Logf("%s: %d acknowledged, %d failed, the longest publish took %v", what, len(l.acked), len(l.failed), l.longest.Round(10*time.Millisecond))
	}
	phase("one full disk", 14*time.Second, func() { disks[first].Fill(t, 0) })
	if len(l.failed) > 0 {
		t.Errorf("with one full disk %d publishes failed, for example %s", len(l.failed), l.failed[0])
	}
	l.mayFail = true
	phase("two full disks", 14*time.Second, func() { disks[second].Fill(t, 0) })
	for i, e := range l.engines {
		began := time.Now()
		ack, err := e.Publish(t.Context(), loadChannel, engine.Message{Data: []byte("{}")})
		if took := time.Since(began); !errors.Is(err, engine.ErrUnavailable) || took > cluster.PublishTimeout+time.Second {
			t.Errorf("engine %d with two full disks: %v, %v after %v", i, ack, err, took)
		}
		if err := e.Ready(); err == nil {
			t.Errorf("engine %d is ready with two full disks", i)
		}
	}
	for _, i := range []int{first, second} {
		disks[i].Free(t)
		servers[i].Signal(t, syscall.SIGTERM)
		servers[i].Start(t)
	}
	eventually(t, "all nodes are ready", func() bool {
		return l.engines[0].Ready() == nil && l.engines[1].Ready() == nil && l.engines[2].Ready() == nil
	})
	l.failed, l.longest = nil, 0
	before := len(l.acked)
	phase("after the restart", 3*time.Second, func() {})
	if len(l.failed) > 0 || len(l.acked) == before {
		t.Errorf("after the restart %d publishes failed: %v", len(l.failed), l.failed)
	}
	l.check(t)
}
