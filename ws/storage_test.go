package ws

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// failing is an engine that fails on request.
type failing struct {
	*memory.Engine
	publish, read, follow atomic.Pointer[error]
}

func failWith(to *atomic.Pointer[error], err error) { to.Store(&err) }

func (e *failing) Publish(ctx context.Context, channel string, m engine.Message) (engine.Ack, error) {
	if err := e.publish.Load(); err != nil {
		return engine.Ack{}, *err
	}
	return e.Engine.Publish(ctx, channel, m)
}

func (e *failing) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	if err := e.read.Load(); err != nil {
		return engine.History{}, *err
	}
	return e.Engine.Read(ctx, channel, since, limit)
}

func (e *failing) Follow(ctx context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	if err := e.follow.Load(); err != nil {
		return engine.Position{}, nil, *err
	}
	return e.Engine.Follow(ctx, channel, to)
}

// A session gets the errors of the storage by their codes, without the names of files, and goes on.
func TestErrorsOfTheStorage(t *testing.T) {
	e := &failing{Engine: memory.New(memory.Options{})}
	t.Cleanup(func() { e.Close() })
	hub, addr := v2Server(t, overSocket, boreas.Options{Engine: e}, Options{})
	c := newClientAt(t, addr, "/v2")
	c.send(`{"id":1,"auth":{"token":"valid"}}`, `{"id":2,"join":{"channels":[{"channel":"chat.a"}]}}`)
	answering(c, `"id":2`)
	refused := func(id int, code string) {
		t.Helper()
		f, _ := answering(c, fmt.Sprintf(`"id":%d,`, id))
		if !strings.Contains(f, `"error":{"code":"`+code+`"`) || !strings.Contains(f, `"retry":"later"`) || !strings.Contains(f, `"retry_after_ms":5000`) || strings.Contains(f, "/data") {
			t.Errorf("got %s", f)
		}
	}
	const request = `"publish":{"channel":"chat.a","message":1}}`
	failWith(&e.publish, fmt.Errorf("/data/7.log: %w", engine.ErrStorageFull))
	c.send(`{"id":3,` + request)
	refused(3, "storage_full")
	failWith(&e.publish, fmt.Errorf("/data/7.log: %w", engine.ErrStorageFailed))
	c.send(`{"id":4,` + request)
	refused(4, "storage_failed")

	failWith(&e.publish, fmt.Errorf("nats://10.0.0.1/data: %w", engine.ErrUnavailable))
	c.send(`{"id":8,` + request)
	f, _ := answering(c, `"id":8,`)
	const unavailable = `"error":{"code":"cluster_unavailable","message":"The server cannot reach the store that the servers of the cluster share.","retry":"later","docs":"docs/errors.md#cluster_unavailable","retry_after_ms":1000}`
	if !strings.Contains(f, unavailable) {
		t.Errorf("got %s", f)
	}

	failWith(&e.read, fmt.Errorf("/data/7.log: %w", engine.ErrStorageFailed))
	c.send(`{"id":5,"history":{"channel":"chat.a"}}`)
	refused(5, "storage_failed")
	c.send(`{"id":6,"join":{"channels":[{"channel":"chat.b","last":1}]}}`)
	refused(6, "storage_failed")
	c.send(`{"id":7,"join":{"channels":[{"channel":"chat.b"}]}}`)
	answering(c, `{"id":7,"join":{"channels":[{"channel":"chat.b","position":`)

	// Messages are still delivered.
	e.publish.Store(nil)
	publish(t, hub, "chat.a", `"live"`)
	answering(c, `"message":"live"`)
	if got, want := hub.Stats().PublishesRefused, (boreas.PublishesRefused{StorageFull: 1, StorageFailed: 1, Unavailable: 1}); got != want {
		t.Errorf("refused: %+v, want %+v", got, want)
	}
}

// The classic wire has no errors, so the server closes the connection, and the client may come back.
func TestErrorsOfTheStorageOnTheClassicWire(t *testing.T) {
	for err, want := range map[error]string{
		engine.ErrStorageFailed: "The server's disk has failed: it could not write the message, or could not read stored messages.",
		engine.ErrUnavailable:   "The server cannot reach the store that the servers of the cluster share.",
	} {
		e := &failing{Engine: memory.New(memory.Options{})}
		t.Cleanup(func() { e.Close() })
		failWith(&e.follow, fmt.Errorf("/data/7.log: %w", err))
		_, addr := server(t, overSocket, boreas.Options{Engine: e}, Options{})
		c := newClient(t, addr)
		c.send(auth, joining("chat.a"))
		c.want("close 1013 " + want)
	}
}
