package ws

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// dialV2 opens a session of protocol 2 and reads its first reply.
func dialV2(t *testing.T, addr string) *wstest.Conn {
	t.Helper()
	c := wstest.Dial(t, "ws://"+addr+"/v2")
	c.Send(`{"auth":{"token":"valid"}}`)
	c.Read() // hello
	return c
}

// One frame of one client must not make the server write, or keep, hundreds of MiB.
func TestOneFrameManySnapshots(t *testing.T) {
	hub, addr := v2Server(t, overPlain, boreas.Options{}, Options{})
	info := `"` + strings.Repeat("i", 1000) + `"`
	for i := range 100 {
		s, err := openQuiet(hub)
		if err != nil {
			t.Fatal(err)
		}
		u := fmt.Sprint("user", i)
		s.Authenticate(boreastest.Grant(u, u))
		s.Join(context.Background(), []boreas.Join{{Channel: "chat.a", Info: []byte(info)}}, nil)
	}
	c := dialV2(t, addr)
	n := (64<<10 - 40) / len(`{"channel":"chat.a","presence":true},`)
	frame := `{"id":1,"join":{"channels":[` + strings.TrimSuffix(strings.Repeat(`{"channel":"chat.a","presence":true},`, n), ",") + `]}}`
	var m1, m2 runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m1)
	start := time.Now()
	c.Send(frame)
	if _, err := c.In.ReadByte(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&m2)
	if got := (int64(m2.HeapAlloc) - int64(m1.HeapAlloc)) >> 20; got > 10 {
		t.Errorf("a frame of %d bytes: first byte of the reply after %v, %d MiB held while the client does not read it", len(frame), took, got)
	}
}

type quiet struct{ s *boreas.Session }

func (q *quiet) TryWrite(p []byte) (int, error)     { return len(p), nil }
func (q *quiet) WaitWritable(d time.Duration) error { return nil }
func (q *quiet) Finish(reason error, said bool)     { q.s.Done() }

func openQuiet(hub *boreas.Hub) (*boreas.Session, error) {
	s, err := hub.Reserve(netip.Addr{})
	if err != nil {
		return nil, err
	}
	return s, s.Start(&quiet{s}, v2Format{}, nil)
}

// clause 2.5: the 50th malformed request in a row ends the session, for each kind of error.
func TestMalformedLimits(t *testing.T) {
	_, addr := v2Server(t, overPlain, boreas.Options{}, Options{})
	c := dialV2(t, addr)
	for range 50 {
		c.Send(`{"history":{"channel":"a","limit":1001}}`)
	}
	c.Send(`{"id":"end","ping":{}}`)
	for {
		text, err := c.Next()
		if wstest.Code(err) == 4402 {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, `"end"`) {
			t.Fatal("the session continues after 50 malformed requests in a row")
		}
	}
}

// clause 9.6: a client leaves at once if the server ends its session.
func TestClosedClientLeaves(t *testing.T) {
	for name, bad := range map[string]func(c *wstest.Conn){
		"malformed": func(c *wstest.Conn) {
			for range 50 {
				c.Send(`{`)
			}
		},
		"not UTF-8": func(c *wstest.Conn) { c.Send("\xff") },
	} {
		t.Run(name, func(t *testing.T) {
			hub, addr := v2Server(t, overPlain, boreas.Options{PresenceLinger: time.Minute}, Options{})
			c := dialV2(t, addr)
			c.Send(`{"id":1,"join":{"channels":[{"channel":"chat.a"}]}}`)
			c.Read()
			bad(c)
			c.End()
			// The server writes the close before it releases the session's presence. If the session
			// lingered, that would take a minute.
			for start := time.Now(); ; runtime.Gosched() {
				p, err := hub.Presence("chat.a")
				if err == nil && p.Users == 0 {
					break
				}
				if time.Since(start) > 20*time.Second {
					t.Fatalf("%+v, %v", p, err)
				}
			}
		})
	}
}

// clause 8.1: the server sends something at least once per heartbeat interval.
func TestHeartbeatRoundsUp(t *testing.T) {
	_, addr := v2Server(t, overPlain, boreas.Options{}, Options{Heartbeat: 1900 * time.Millisecond})
	if hello := wstest.Dial(t, "ws://"+addr+"/v2").Read(); !strings.Contains(hello, `"heartbeat":2,`) {
		t.Error(hello)
	}
}

// clause 2.8: a client that reads all replies may request two pages at once.
func TestTwoPages(t *testing.T) {
	hub, addr := v2Server(t, overSocket, boreas.Options{}, Options{})
	for range 30 {
		hub.Publish(context.Background(), "a", engine.Message{Data: []byte(`"` + strings.Repeat("x", 10_000) + `"`)})
	}
	c := dialV2(t, addr)
	const pages = 100
	go func() {
		for i := range pages {
			c.Send(fmt.Sprintf(`{"id":%d,"history":{"channel":"a"}}`, i))
		}
	}()
	for i := range pages {
		if _, err := c.Next(); err != nil {
			t.Fatalf("page %d of %d, for a client that only reads: %v", i, pages, err)
		}
	}
}
