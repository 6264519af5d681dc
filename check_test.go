package boreas

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// TestCheck: each lock that Check takes, and each sweep that does not end, keeps it from returning nil.
func TestCheck(t *testing.T) {
	for name, hold := range map[string]func(h *Hub, ch *channel) (release func()){
		"nothing":      func(*Hub, *channel) func() { return nil },
		"the registry": func(h *Hub, _ *channel) func() { h.registry.mu.Lock(); return h.registry.mu.Unlock },
		"the queue":    func(h *Hub, _ *channel) func() { h.queue.mu.Lock(); return h.queue.mu.Unlock },
		"a shard": func(h *Hub, ch *channel) func() {
			s := h.channels.shard(ch.name)
			s.mu.RLock()
			return s.mu.RUnlock
		},
		"a channel": func(_ *Hub, ch *channel) func() { ch.mu.Lock(); return ch.mu.Unlock },
		"a sweeper": func(h *Hub, _ *channel) func() { p := h.sweeping[len(h.sweeping)-1]; p.Work(); return p.Rest },
		"the engine": func(h *Hub, _ *channel) func() {
			c := &stuckCounter{Engine: h.engine.(*memory.Engine), release: make(chan struct{})}
			h.counter = c
			return func() { close(c.release) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := New(Options{})
			defer h.Shutdown(context.Background(), 0)
			ch, err := h.acquire(t.Context(), "news")
			if err != nil {
				t.Fatal(err)
			}
			defer h.release(ch)
			release := hold(h, ch)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			checked := make(chan error, 1)
			go func() { checked <- h.Check(ctx) }()
			if release == nil {
				if err := <-checked; err != nil {
					t.Error(err)
				}
				return
			}
			select {
			case err := <-checked:
				t.Errorf("Check returned %v", err)
			case <-time.After(20 * time.Millisecond): // longer makes the test stricter
			}
			release()
			if err := <-checked; err != nil {
				t.Errorf("after the release: %v", err)
			}
		})
	}
}

type stuckCounter struct {
	*memory.Engine
	release chan struct{}
}

func (c *stuckCounter) Published(string) uint64 { <-c.release; return 0 }

func TestCheckNamesASweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{})
		defer h.Shutdown(context.Background(), 0)
		h.sweeping[0].Work()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Check(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "a sweep does not end") {
			t.Errorf("got %v", err)
		}
	})
}
