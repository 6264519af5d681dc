package memory_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// Setting the machine's clock, forward or back, changes neither which publications are kept nor for
// how long.
func TestMemoryMeasuresAgeWithoutTheWallClock(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, 5 * time.Second, -5 * time.Second, -time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			defer clock.Step(0)()
			inMemory(t, memory.Options{Memory: 50_000, Age: time.Minute, KeyWindow: 2 * time.Minute}, func(m *testEngine) {
				m.wantKey("keys", "1", "k", "published 1")
				m.publish("aged", "1")
				for i := range 1000 { // up to the ceiling
					m.publish("full", fmt.Sprint(i))
				}
				<-time.After(time.Second)
				clock.Step(step)
				m.wantKey("keys", "1", "k", "duplicate of 1")
				for i := range 10 {
					last := m.publish("late", fmt.Sprint(i))
					m.want("late", engine.Position{Epoch: last.Epoch, Offset: last.Offset - 1}, fmt.Sprint(i))
				}
				m.want("late", engine.Position{}, "0 1 2 3 4 5 6 7 8 9") // also, the newest publications are not evicted
				<-time.After(59 * time.Second)
				m.want("late", engine.Position{}, "0 1 2 3 4 5 6 7 8 9")
				<-time.After(time.Second + 1)
				m.want("late", engine.Position{}, "")
				<-time.After(59 * time.Second)
				m.wantKey("keys", "1", "k", "published 2")
			})
		})
	}
}

// The Time of a publication is the wall clock's time.
func TestPublicationTimeIsTheWallClocks(t *testing.T) {
	defer clock.Step(0)()
	inMemory(t, memory.Options{}, func(m *testEngine) {
		for _, step := range []time.Duration{0, time.Hour, -time.Hour} {
			clock.Step(step)
			m.publish("a", "1")
			h, err := m.Read(context.Background(), "a", engine.Position{}, engine.Limit{Messages: -1})
			if err != nil {
				m.Fatal(err)
			}
			if got := time.Unix(0, h.Publications[0].Time).Sub(time.Now().Round(0)); got != step {
				m.Errorf("the clock was set by %v, the publication's time changed by %v", step, got)
			}
		}
	})
}
