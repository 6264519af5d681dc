package boreas_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// punctual is an engine whose disk hangs: a publish ends only with its context.
type punctual struct{ engine.Engine }

func (punctual) Punctual() bool { return true }

func (punctual) Publish(ctx context.Context, channel string, _ engine.Message) (engine.Ack, error) {
	if channel == "panic" {
		panic("the engine is broken")
	}
	<-ctx.Done()
	return engine.Ack{}, fmt.Errorf("wait for the disk: %w", ctx.Err())
}

func (e punctual) PublishMany(ctx context.Context, items []engine.Item) []engine.Result {
	results := make([]engine.Result, len(items))
	for i, item := range items {
		results[i].Ack, results[i].Err = e.Publish(ctx, item.Channel, item.Message)
	}
	return results
}

// TestPunctualEngine: the limits on calls of the engine also hold for calls on the caller's
// goroutine.
func TestPunctualEngine(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := punctual{newMemory(memory.Options{})}
		defer e.Close()
		hub := boreas.New(boreas.Options{Engine: e, EngineCalls: 1, EngineTimeout: 2 * time.Second})
		ctx, giveUp := context.WithTimeout(context.Background(), time.Second)
		defer giveUp()
		start := time.Now()
		var mu sync.Mutex
		var got []string
		note := func(what string, err error) {
			var panicked *boreas.EnginePanicError
			if errors.As(err, &panicked) {
				err = errors.New("panic")
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fmt.Sprintf("%s after %v: %v", what, time.Since(start), err))
		}
		publish := func(what string, ctx context.Context, channel string) {
			_, err := hub.Publish(ctx, channel, engine.Message{Data: []byte("1")})
			note(what, err)
		}
		publish("panic", context.Background(), "panic")
		var calls sync.WaitGroup
		calls.Go(func() { publish("caller gives up", ctx, "news") })
		time.Sleep(time.Millisecond)
		publish("no place", context.Background(), "news")
		calls.Wait()
		publish("too late", context.Background(), "news")
		note("batch too late", hub.PublishMany(context.Background(), []engine.Item{{Channel: "news", Message: engine.Message{Data: []byte("1")}}})[0].Err)
		calls.Go(func() { publish("shutdown", context.Background(), "news") })
		time.Sleep(time.Millisecond)
		hub.Shutdown(context.Background(), 0)
		calls.Wait()
		want := []string{
			"panic after 0s: panic",
			"no place after 1ms: " + boreas.ErrEngineBusy.Error(),
			"caller gives up after 1s: wait for the disk: context deadline exceeded",
			"too late after 3s: " + boreas.ErrEngineTimeout.Error(),
			"batch too late after 5s: " + boreas.ErrEngineTimeout.Error(),
			"shutdown after 5.001s: wait for the disk: context canceled",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
