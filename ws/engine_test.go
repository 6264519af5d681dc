package ws

import (
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// answering reads frames until one contains the text, and answers pings. It returns that frame
// and the number of pings before it.
func answering(c *client, text string) (found string, pings int) {
	c.t.Helper()
	for {
		switch f := c.next(); {
		case f == "ping ":
			pings++
			c.write(frame(fin|10, ""))
		case strings.Contains(f, text):
			return f, pings
		case strings.HasPrefix(f, "close"):
			c.t.Fatalf("%s, want %s", f, text)
		}
	}
}

// slowEngine is an engine whose publishes on slow.* wait.
func slowEngine(t *testing.T) (e *boreastest.Between, waiting *atomic.Int64, release func()) {
	released := make(chan struct{})
	waiting = new(atomic.Int64)
	e = &boreastest.Between{Engine: memory.New(memory.Options{})}
	e.BeforePublish = func(channel string) {
		if strings.HasPrefix(channel, "chat.slow") {
			waiting.Add(1)
			<-released
			waiting.Add(-1)
		}
	}
	var once atomic.Bool
	release = func() {
		if once.CompareAndSwap(false, true) {
			close(released)
		}
	}
	t.Cleanup(func() {
		release()
		for waiting.Load() > 0 {
			runtime.Gosched()
		}
		e.Close()
	})
	return e, waiting, release
}

// Publishes that wait for the engine do not delay other clients, and no client that answers
// pings is disconnected, including the publishers.
func TestASlowEngine(t *testing.T) {
	engine, waiting, release := slowEngine(t)
	const interval = 200 * time.Millisecond
	hub, addr := v2Server(t, overSocket, boreas.Options{Engine: engine, PingInterval: interval, EngineTimeout: time.Minute}, Options{})
	open := func() *client {
		c := newClientAt(t, addr, "/v2")
		c.send(`{"id":1,"auth":{"token":"valid"}}`)
		answering(c, `"id":1`)
		return c
	}
	victim := open()
	n := 4*runtime.GOMAXPROCS(0) + 1
	var publishers []*client
	for range n {
		c := open()
		c.send(`{"id":2,"publish":{"channel":"chat.slow","message":1}}`, `{"id":3,"ping":{}}`)
		publishers = append(publishers, c)
	}
	for waiting.Load() < int64(n) {
		runtime.Gosched()
	}
	if got := hub.Stats().EngineCalls; got != n {
		t.Errorf("%d calls in progress, want %d", got, n)
	}
	fresh := open()
	fresh.send(`{"id":2,"join":{"channels":[{"channel":"chat.quick"}]}}`, `{"id":3,"publish":{"channel":"chat.quick","message":"hello"}}`)
	answering(fresh, `"message":"hello"`)
	for pings := 0; pings < 5; {
		victim.send(`{"id":4,"ping":{}}`)
		_, more := answering(victim, `"id":4`)
		if pings += more; more == 0 {
			runtime.Gosched()
		}
	}
	release()
	for _, c := range publishers {
		if f, _ := answering(c, `"id":`); !strings.Contains(f, `{"id":2,"publish":{"position":`) {
			t.Errorf("got %s", f)
		}
		answering(c, `{"id":3,"ping"`)
	}
}

// Requests that wait too long fail, and so do requests over the limit of waiting ones.
func TestAnEngineThatHangs(t *testing.T) {
	engine, waiting, release := slowEngine(t)
	hub, addr := v2Server(t, overSocket, boreas.Options{Engine: engine, EngineTimeout: 500 * time.Millisecond, EngineCalls: 2}, Options{})
	c := newClientAt(t, addr, "/v2")
	c.send(`{"id":1,"auth":{"token":"valid"}}`)
	answering(c, `"id":1`)
	const slow = `"publish":{"channel":"chat.slow","message":1}}`
	c.send(`{"id":2,`+slow, `{"id":3,`+slow, `{"id":4,`+slow, `{"id":5,"ping":{}}`)
	for i, want := range []*fault.Fault{fault.EngineTimeout, fault.EngineTimeout, fault.Busy} {
		f, _ := answering(c, `"id":`)
		if !strings.HasPrefix(f, `text {"id":`+string(rune('2'+i))+`,"error":{"code":"`+want.Code+`"`) || !strings.Contains(f, `"retry":"later"`) || !strings.Contains(f, `"retry_after_ms":`) {
			t.Errorf("got %s", f)
		}
	}
	answering(c, `{"id":5,"ping"`)
	if s := hub.Stats(); s.EngineCalls != 2 || s.EngineTimeouts != 2 || s.EngineBusy != 1 {
		t.Errorf("%d calls, %d timeouts, %d busy", s.EngineCalls, s.EngineTimeouts, s.EngineBusy)
	}
	// Publications by the server itself have their own limit.
	publish(t, hub, "news", "1")
	release()
	for waiting.Load() > 0 || hub.Stats().EngineCalls > 0 {
		runtime.Gosched()
	}
	c.send(`{"id":6,` + slow)
	answering(c, `{"id":6,"publish":{"position"`)
}

// One join of many channels does not wait for each of them. The classic wire cannot report which
// channel failed, and closes.
func TestJoinsOfAnEngineThatHangs(t *testing.T) {
	engine, _, _ := slowEngine(t)
	var follows atomic.Int64
	hang := make(chan struct{})
	engine.BeforeFollow = func(channel string) {
		if strings.HasPrefix(channel, "chat.slow") {
			follows.Add(1)
			<-hang
		}
	}
	o := boreas.Options{Engine: engine, EngineTimeout: 500 * time.Millisecond}
	_, addr := v2Server(t, overSocket, o, Options{})
	c := newClientAt(t, addr, "/v2")
	c.send(`{"id":1,"auth":{"token":"valid"}}`, `{"id":2,"join":{"channels":[{"channel":"chat.quick"},{"channel":"chat.slow1"},{"channel":"chat.slow2"},{"channel":"chat.slow3"}]}}`)
	f, _ := answering(c, `"id":2`)
	if strings.Count(f, `"code":"engine_timeout"`) != 3 || strings.Count(f, `"position":`) != 1 || follows.Load() != 1 {
		t.Errorf("%d follows, got %s", follows.Load(), f)
	}
	_, addr = server(t, overSocket, o, Options{})
	old := newClient(t, addr)
	old.send(auth, joining("chat.slow4"))
	old.want("close 1013 The engine did not answer in time.")
	close(hang)
}
