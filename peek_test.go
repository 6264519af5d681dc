package boreas_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// peeking is an engine whose Read waits for a disk. Peek answers if cached is set.
type peeking struct {
	engine.Engine
	cached bool
}

func (e *peeking) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	time.Sleep(time.Second)
	return e.Engine.Read(ctx, channel, since, limit)
}

func (e *peeking) Peek(channel string, since engine.Position, limit engine.Limit) (engine.History, bool, error) {
	if !e.cached {
		return engine.History{}, false, nil
	}
	h, err := e.Engine.Read(context.Background(), channel, since, limit)
	return h, true, err
}

// TestReadsFromMemoryTakeNoPlace lets more sessions resume at once than calls of the engine may be
// under way.
func TestReadsFromMemoryTakeNoPlace(t *testing.T) {
	for cached, want := range map[bool]string{
		true:  "3 recovered, 0 busy, after 0s",
		false: "1 recovered, 2 busy, after 1s",
	} {
		inBubble(t, func(t *testing.T) {
			e := &peeking{newMemory(memory.Options{}), cached}
			defer e.Close()
			w := world{t, boreas.New(boreas.Options{Engine: e, EngineCalls: 1})}
			defer w.hub.Shutdown(context.Background(), 0)
			since := w.head("news")
			w.subscriber("news")
			w.publish("news", "1")

			start := time.Now()
			recovered, busy := 0, 0
			var mu sync.Mutex
			var sessions sync.WaitGroup
			for range 3 {
				s, _ := w.announced()
				sessions.Go(func() {
					r := w.joins(s, boreas.Join{Channel: "news", Since: since})[0]
					mu.Lock()
					defer mu.Unlock()
					if r.Recovered {
						recovered++
					}
					if r.Err == boreas.ErrEngineBusy {
						busy++
					}
				})
			}
			sessions.Wait()
			if got := fmt.Sprintf("%d recovered, %d busy, after %v", recovered, busy, time.Since(start)); got != want {
				t.Errorf("in memory %v: %s, want %s", cached, got, want)
			}
		})
	}
}
