package cluster

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

const (
	// beatPeriod is the time between two beats, and beatLife how long the stream keeps one. The
	// stream keeps beats longer than any node may be late: a hole in the stream is then a loss.
	beatPeriod = time.Second
	beatLife   = "1h"

	// notReadyAfter is the age of the last beat from which on the node is not ready.
	notReadyAfter = 10 * time.Second
)

// health says whether this node has a majority of the servers.
type health struct {
	mu       sync.Mutex
	seen     clock.Mono // when the last own beat was sent that the tail has got
	isolated bool
	asked    clock.Mono // when the newest acknowledged beat was sent
	beat     uint64     // its sequence
}

// heard records that the tail has got an own beat that was sent at the moment.
func (h *health) heard(sent clock.Mono) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = max(h.seen, sent)
}

// acknowledged records that a majority has kept a beat.
func (h *health) acknowledged(seq uint64, asked clock.Mono) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beat, h.asked = seq, asked
}

// beatSince returns the sequence of the newest acknowledged beat. It reports false if that beat was
// sent before the moment.
func (h *health) beatSince(moment clock.Mono) (seq uint64, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.beat, h.asked >= moment
}

// silence returns the age of the last own beat that the tail has got. It is also high if the tail gets
// every beat, but late.
func (h *health) silence(now clock.Mono) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen == 0 {
		return 0
	}
	return now.Sub(h.seen)
}

// beat publishes a beat every beatPeriod. It holds the moment at which it was sent.
func (e *Engine) beat(ctx context.Context) {
	period := cmp.Or(e.options.beats, beatPeriod)
	for {
		m := &nats.Msg{Subject: e.names.beat, Header: nats.Header{}}
		m.Header.Set(headerSender, e.id)
		m.Header.Set(jetstream.MsgTTLHeader, beatLife)
		asked := clock.Now()
		m.Data = strconv.AppendInt(nil, int64(asked), 10)
		try, cancel := context.WithTimeout(ctx, tryTimeout)
		ack, err := e.publisher.PublishMsg(try, m, jetstream.WithRetryAttempts(0))
		cancel()
		if err == nil {
			e.health.acknowledged(ack.Sequence, asked)
		}
		e.checkIsolation(clock.Now())
		if !e.pause(ctx, period) {
			return
		}
	}
}

// checkIsolation tells when this node becomes isolated, and when it is not any more.
func (e *Engine) checkIsolation(now clock.Mono) {
	silence := e.health.silence(now)
	h := &e.health
	h.mu.Lock()
	isolated := silence >= IsolatedAfter
	changed := isolated != h.isolated
	h.isolated = isolated
	h.mu.Unlock()
	if !changed {
		return
	}
	if isolated {
		e.log.Error("this node is cut off from the majority of the NATS servers, so its clients have to go to other nodes: start the servers that are down, or look at the network", "for", silence.Round(time.Second))
	} else {
		e.log.Info("this node has a majority of the NATS servers again")
	}
	if e.options.Isolated != nil {
		e.options.Isolated(isolated)
	}
}

// Ready implements [engine.Readier]. The node is not ready while it cannot publish, or its tail is
// late.
func (e *Engine) Ready() error {
	if e.closed.Load() {
		return engine.ErrClosed
	}
	if silence := e.health.silence(clock.Now()); silence >= notReadyAfter {
		return fmt.Errorf("%w: no majority of the NATS servers for %v", engine.ErrUnavailable, silence.Round(time.Second))
	}
	return nil
}
