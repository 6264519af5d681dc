package boreastest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// The rules of [TestEngine] about a message's sender and key.

func publishKey(e engine.Engine, channel, data, key string) (engine.Ack, error) {
	return e.Publish(context.Background(), channel, engine.Message{Data: []byte(data), Key: key})
}

func mustPublishKey(t *testing.T, e engine.Engine, channel, data, key string) engine.Ack {
	t.Helper()
	ack, err := publishKey(e, channel, data, key)
	if err != nil {
		t.Fatalf("Publish(%q, %s) with key %q: %v", channel, data, key, err)
	}
	return ack
}

func senderIsKept(t *testing.T, e engine.Engine) {
	c := newCollector()
	_, stop := follow(t, e, "a", c)
	defer stop()
	for sender := range uint64(3) {
		if _, err := e.Publish(context.Background(), "a", engine.Message{Data: []byte("1"), Sender: sender}); err != nil {
			t.Fatal(err)
		}
	}
	for what, pubs := range map[string][]*engine.Publication{
		"delivered": c.wait(t, 3),
		"read":      read(t, e, "a", engine.Position{}, 3).Publications,
	} {
		for i, p := range pubs {
			if p.Sender != uint64(i) {
				t.Errorf("%s: publication %d has the sender %d", what, i, p.Sender)
			}
		}
	}
}

func keyDuplicate(t *testing.T, e engine.Engine) {
	c := newCollector()
	_, stop := follow(t, e, "a", c)
	defer stop()
	first := mustPublishKey(t, e, "a", "1", "k")
	if first.Duplicate {
		t.Error("the first message with a key is called a duplicate")
	}
	publish(t, e, "a", "2")
	again := mustPublishKey(t, e, "a", "1", "k")
	if want := (engine.Ack{Position: first.Position, Duplicate: true}); again != want {
		t.Errorf("the same message again: got %+v, want %+v", again, want)
	}
	if ack := mustPublishKey(t, e, "a", "1", "another"); ack.Duplicate {
		t.Error("with another key: called a duplicate")
	}
	if ack := mustPublishKey(t, e, "b", "1", "k"); ack.Duplicate {
		t.Error("on another channel: called a duplicate")
	}
	if ack := mustPublishKey(t, e, "a", "1", ""); ack.Duplicate {
		t.Error("without a key: called a duplicate")
	}
	publish(t, e, "a", "end")
	wantTexts(t, "read", read(t, e, "a", engine.Position{}, 10).Publications, "1", "2", "1", "1", "end")
	wantTexts(t, "delivered", c.wait(t, 5), "1", "2", "1", "1", "end")
}

func keyReused(t *testing.T, e engine.Engine) {
	first := mustPublishKey(t, e, "a", "1", "k")
	for _, data := range []string{"2", "11", ""} {
		if ack, err := publishKey(e, "a", data, "k"); !errors.Is(err, engine.ErrKeyReused) {
			t.Errorf("%q with the key of another message: got %+v, %v; want ErrKeyReused", data, ack, err)
		}
	}
	if again := mustPublishKey(t, e, "a", "1", "k"); again.Position != first.Position || !again.Duplicate {
		t.Errorf("the first message again, after another: got %+v, want the position %v", again, first.Position)
	}
	wantTexts(t, "read", read(t, e, "a", engine.Position{}, 10).Publications, "1")
}

func keyConcurrent(t *testing.T, e engine.Engine) { keysConcurrent(t, e) }

// mayRepeat reports whether the engine has a store elsewhere, and so may have to repeat a request.
func mayRepeat(e engine.Engine) bool {
	_, punctual := e.(engine.Punctual)
	_, shared := e.(interface{ shared() })
	return punctual || shared
}

// keysConcurrent publishes messages with the same key concurrently, to the engines in turn. One must
// be appended, and all calls must return its position.
func keysConcurrent(t *testing.T, to ...engine.Engine) {
	const rounds = 50
	acks := make([][publishers]engine.Ack, rounds)
	start := make([]sync.WaitGroup, rounds) // so that all publishers begin a round together
	var wg sync.WaitGroup
	for r := range start {
		start[r].Add(publishers)
	}
	for i := range publishers {
		wg.Go(func() {
			for r := range rounds {
				start[r].Done()
				start[r].Wait()
				ack, err := publishKey(to[i%len(to)], "a", fmt.Sprint(r), fmt.Sprint("key ", r))
				if err != nil {
					t.Errorf("round %d: %v", r, err)
				}
				acks[r][i] = ack
			}
		})
	}
	wg.Wait()
	for _, e := range to {
		for _, ack := range acks[rounds-1] {
			reached(t, e, "a", ack.Position)
		}
	}
	pubs := read(t, to[0], "a", engine.Position{}, rounds*publishers).Publications
	if len(pubs) != rounds {
		t.Fatalf("%d publications, want %d", len(pubs), rounds)
	}
	for r, p := range pubs {
		firsts := 0
		for _, ack := range acks[r] {
			if !ack.Duplicate {
				firsts++
			}
			if ack.Position.Offset != p.Offset {
				t.Errorf("round %d: got offset %d, want %d", r, ack.Position.Offset, p.Offset)
			}
		}
		if firsts == 0 || firsts > 1 && !mayRepeat(to[0]) || string(p.Data) != fmt.Sprint(r) {
			t.Errorf("round %d: %s, and %d are not duplicates", r, p.Data, firsts)
		}
	}
}
