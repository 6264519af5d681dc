package trial

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
)

const (
	// failurePause is the mean time between two failures. longestFailure is the longest duration of one.
	failurePause   = 80 * time.Millisecond
	longestFailure = 1500 * time.Millisecond

	// restartPause is the mean time between two restarts of the server, and killPause of one with
	// messages on disk.
	restartPause = 3 * time.Second
	killPause    = 1500 * time.Millisecond

	// floodPause is the mean time between two floods of floodSize messages on each channel with a
	// short history.
	floodPause = 1500 * time.Millisecond
	floodSize  = 60
	floodFor   = time.Second

	// refuseFor is how long a proxy refuses connections.
	refuseFor = 300 * time.Millisecond
)

// failures causes failures in connections until the context ends.
func (t *trial) failures(ctx context.Context, r *rand.Rand) {
	for pause(ctx, time.Duration(r.Int64N(int64(2*failurePause)))) {
		f, refuse, pick, which := faultproxy.Random(r, longestFailure), r.IntN(25) == 0, r.Uint64(), r.Uint64()
		proxies := append(t.world.subscriberProxies(), t.world.api)
		p := proxies[pick%uint64(len(proxies))]
		if refuse {
			t.count("refused")
			t.echo(func() {
				p.Refuse(true)
				pause(ctx, refuseFor)
				p.Refuse(false)
			})
		}
		if up := p.Links(); len(up) > 0 && up[which%uint64(len(up))].Do(f) {
			t.count(f.Kind.String())
		}
	}
}

// replacements restarts the server until the context ends.
func (t *trial) replacements(ctx context.Context, r *rand.Rand) {
	all := t.world.restarts()
	// Each kind in turn, in random order, so that a short trial has all kinds.
	order := r.Perm(len(all))
	mean := restartPause
	if t.o.Disk {
		mean = killPause
	}
	for i := 0; pause(ctx, mean/2+time.Duration(r.Int64N(int64(mean)))); i++ {
		how := all[order[i%len(order)]]
		t.note("storm: %s", how)
		// A restart that has begun is completed, or there would be no server for the rest of the trial.
		if err := t.world.restart(context.WithoutCancel(ctx), how, r); err != nil {
			t.note("storm: %s: %v", how, err)
			t.unexpected("server", "", "%s: %v", how, err)
		}
		t.count(string(how))
	}
}

// doubles makes raw subscribers resume twice, until the context ends.
func (t *trial) doubles(ctx context.Context, r *rand.Rand) {
	for pause(ctx, time.Duration(r.Int64N(int64(8*failurePause)))) {
		s := t.raws[r.IntN(len(t.raws))]
		s.mu.Lock()
		s.doubling = true
		s.mu.Unlock()
		s.proxy.Do(faultproxy.Failure{Kind: faultproxy.Cut})
		t.count("resume asked twice")
	}
}

// floods stalls a subscriber and publishes many messages meanwhile, until the context ends. On
// channels with a short history, or whose slow readers skip messages, the subscriber falls behind.
func (t *trial) floods(ctx context.Context, r *rand.Rand) {
	a := t.newAuthor(flooder)
	for pause(ctx, time.Duration(r.Int64N(int64(2*floodPause)))) {
		proxies := t.world.subscriberProxies()
		p := proxies[r.IntN(len(proxies))]
		p.Do(faultproxy.Failure{Kind: faultproxy.Stall, Direction: faultproxy.ToClient, For: floodFor})
		t.count("flood")
		for range floodSize {
			for _, name := range channels() {
				if !forgetful(name) {
					continue
				}
				m := a.next(name)
				position, err := t.world.current().publish(ctx, name, newContent(m, false))
				if err != nil {
					a.note(m, false, "")
					continue
				}
				a.note(m, true, position)
			}
		}
	}
}

// forgetful reports whether a slow reader of the channel soon misses messages.
func forgetful(channel string) bool {
	return strings.HasPrefix(channel, "short") || strings.HasPrefix(channel, "latest")
}
