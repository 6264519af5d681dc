package boreas_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// once is an engine whose first Follow fails, or panics, after a second.
type once struct {
	engine.Engine
	calls  int
	panics bool
}

var errNoLeader = errors.New("there is no leader")

func (e *once) Follow(ctx context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	e.calls++
	if e.calls > 1 {
		return e.Engine.Follow(ctx, channel, to)
	}
	<-time.After(time.Second)
	if e.panics {
		panic(errNoLeader)
	}
	return engine.Position{}, nil, errNoLeader
}

// TestFollowFailureReachesOnlyWaitingJoins keeps joins of a channel overlapping: a session that
// receives the failure joins again at once, before the others have released the channel.
func TestFollowFailureReachesOnlyWaitingJoins(t *testing.T) {
	for name, panics := range map[string]bool{"error": false, "panic": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				e := &once{Engine: newMemory(memory.Options{}), panics: panics}
				defer e.Close()
				w := world{t, boreas.New(boreas.Options{Engine: e})}
				defer w.hub.Shutdown(context.Background(), 0)
				failed := make(chan int, 20)
				var conns []*boreastest.Conn
				for range 20 {
					s, c := w.subscriber()
					conns = append(conns, c)
					go func() {
						n := 0
						for {
							err := func() (err error) {
								defer func() {
									if r := recover(); r != nil {
										err = errNoLeader
									}
								}()
								return join(s, "news")
							}()
							if err == nil {
								failed <- n
								return
							}
							n++
						}
					}()
				}
				for range conns {
					if n := <-failed; n > 1 {
						t.Errorf("a join failed %d times because of one failed Follow", n)
					}
				}
				if e.calls != 2 {
					t.Errorf("Follow was called %d times, want 2", e.calls)
				}
				w.publish("news", "1")
				for _, c := range conns {
					w.want(c, "news 1 1")
				}
				for _, c := range conns {
					c.Session().Leave("news")
				}
				if n := boreas.ChannelsHeld(w.hub); n != 0 {
					t.Errorf("%d channels are still referenced", n)
				}
			})
		})
	}
}
