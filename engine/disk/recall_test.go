package disk_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/disk"
)

// peeked describes the messages of a channel after an offset as far as they are in memory.
func peeked(t *testing.T, e *disk.Engine, since engine.Position) string {
	t.Helper()
	h, ok, err := e.Peek("a", since, engine.Limit{Messages: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return "on disk"
	}
	text := "in memory:"
	for _, p := range h.Publications {
		text += fmt.Sprintf(" %d=%.10s", p.Offset, p.Data)
	}
	return text
}

// TestNewestMessagesComeBackToMemory: after a restart, the first read of a channel's newest messages
// spares the disk the others. They are the first to go when memory is short.
func TestNewestMessagesComeBackToMemory(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	o := disk.Options{Memory: 4 << 20, DiskFree: -1}
	publish := func(e *disk.Engine, channel, data string) engine.Position {
		t.Helper()
		ack, err := e.Publish(ctx, channel, engine.Message{Data: []byte(data)})
		if err != nil {
			t.Fatal(err)
		}
		return ack.Position
	}
	e := open(t, dir, o)
	var first engine.Position
	for i := 1; i <= 5; i++ {
		if at := publish(e, "a", fmt.Sprint("a", i)); i == 1 {
			first = at
		}
		publish(e, "b", "between them")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = open(t, dir, o)
	defer e.Close()
	read := func(since engine.Position, messages int) {
		t.Helper()
		if _, err := e.Read(ctx, "a", since, engine.Limit{Messages: messages}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when, want string, since engine.Position) {
		t.Helper()
		if got := peeked(t, e, since); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	third := engine.Position{Epoch: first.Epoch, Offset: first.Offset + 2}
	check("after the restart", "on disk", first)
	read(first, 2)
	check("after a read that ends before the newest", "on disk", third)
	read(third, 100)
	check("after a read of the newest", "in memory: 4=a4 5=a5", third)
	check("what was not read", "on disk", first)
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() { e.Read(ctx, "a", first, engine.Limit{Messages: 1000}) })
	}
	readers.Wait()
	check("after reads of all", "in memory: 2=a2 3=a3 4=a4 5=a5", first)
	large := string(bytes.Repeat([]byte("x"), 1<<20))
	for range 5 {
		publish(e, "b", large)
	}
	check("when memory is short", "on disk", first)
	publish(e, "a", "a6")
	check("after a publish", "on disk", first)
	read(first, 1000)
	check("after a read that ends with a message in memory", "in memory: 2=a2 3=a3 4=a4 5=a5 6=a6", first)
}
