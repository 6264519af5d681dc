package ws

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/boreastest"
	"github.com/boreas-pubsub/boreas/engine"
)

func dialV2(t *testing.T, addr string) *gorilla.Conn {
	t.Helper()
	c, _, err := dialer().Dial("ws://"+addr+"/v2", http.Header{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.WriteMessage(gorilla.TextMessage, []byte(`{"auth":{"token":"valid"}}`))
	c.ReadMessage() // hello
	return c
}

// One frame of one client must not make the server write, or keep, hundreds of MiB.
func TestOneFrameManySnapshots(t *testing.T) {
	hub, addr := v2Server(t, overPlain, boreas.Options{}, Options{})
	addr = strings.TrimPrefix(strings.TrimPrefix(addr, "ws://"), "http://")
	info := `"` + strings.Repeat("i", 1000) + `"`
	for i := range 100 {
		s, err := openQuiet(hub)
		if err != nil {
			t.Fatal(err)
		}
		u := fmt.Sprint("user", i)
		s.Authenticate(boreastest.Grant(u, u))
		s.Join([]boreas.Join{{Channel: "chat.a", Info: []byte(info)}}, nil)
	}
	c := dialV2(t, addr)
	n := (64<<10 - 40) / len(`{"channel":"chat.a","presence":true},`)
	frame := `{"id":1,"join":{"channels":[` + strings.TrimSuffix(strings.Repeat(`{"channel":"chat.a","presence":true},`, n), ",") + `]}}`
	var m1, m2 runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m1)
	start := time.Now()
	c.WriteMessage(gorilla.TextMessage, []byte(frame))
	_, r, err := c.NextReader()
	if err != nil {
		t.Fatal(err)
	}
	var first [1]byte
	r.Read(first[:])
	took := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&m2)
	if got := (int64(m2.HeapAlloc) - int64(m1.HeapAlloc)) >> 20; got > 10 {
		t.Errorf("a frame of %d bytes: first byte of the reply after %v, %d MiB held while it is not read", len(frame), took, got)
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

// clause 2.5: the 50th in a row, whatever makes it malformed.
func TestMalformedLimits(t *testing.T) {
	_, addr := v2Server(t, overPlain, boreas.Options{}, Options{})
	c := dialV2(t, strings.TrimPrefix(addr, "ws://"))
	for range 50 {
		c.WriteMessage(gorilla.TextMessage, []byte(`{"history":{"channel":"a","limit":1001}}`))
	}
	c.WriteMessage(gorilla.TextMessage, []byte(`{"id":"end","ping":{}}`))
	for {
		_, b, err := c.ReadMessage()
		if gorilla.IsCloseError(err, 4402) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(`"end"`)) {
			t.Fatal("50 malformed requests in a row, and the session goes on")
		}
	}
}

// clause 9.6: one that is sent away leaves at once.
func TestSentAwayLeaves(t *testing.T) {
	for name, bad := range map[string]func(c *gorilla.Conn){
		"malformed": func(c *gorilla.Conn) {
			for range 50 {
				c.WriteMessage(gorilla.TextMessage, []byte(`{`))
			}
		},
		"not UTF-8": func(c *gorilla.Conn) { c.WriteMessage(gorilla.TextMessage, []byte("\xff")) },
	} {
		t.Run(name, func(t *testing.T) {
			hub, addr := v2Server(t, overPlain, boreas.Options{PresenceLinger: time.Minute}, Options{})
			c := dialV2(t, strings.TrimPrefix(addr, "ws://"))
			c.WriteMessage(gorilla.TextMessage, []byte(`{"id":1,"join":{"channels":[{"channel":"chat.a"}]}}`))
			c.ReadMessage()
			bad(c)
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					break
				}
			}
			// The last words are written before the places are given up; it would
			// take a minute if the session lingered.
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

// clause 8.1: the server sends something at least as often as it promises.
func TestHeartbeatRoundsUp(t *testing.T) {
	_, addr := v2Server(t, overPlain, boreas.Options{}, Options{Heartbeat: 1900 * time.Millisecond})
	c, _, err := gorilla.DefaultDialer.Dial("ws://"+strings.TrimPrefix(addr, "ws://")+"/v2", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, b, _ := c.ReadMessage()
	if !bytes.Contains(b, []byte(`"heartbeat":2,`)) {
		t.Errorf("%s", b)
	}
}

// clause 2.8: a client that reads everything, and asks for two pages at once.
func TestTwoPages(t *testing.T) {
	hub, addr := v2Server(t, overSocket, boreas.Options{}, Options{})
	for range 30 {
		hub.Publish(context.Background(), "a", engine.Message{Data: []byte(`"` + strings.Repeat("x", 10_000) + `"`)})
	}
	c := dialV2(t, strings.TrimPrefix(addr, "ws://"))
	const pages = 100
	go func() {
		for i := range pages {
			c.WriteMessage(gorilla.TextMessage, fmt.Appendf(nil, `{"id":%d,"history":{"channel":"a"}}`, i))
		}
	}()
	for i := range pages {
		if _, _, err := c.ReadMessage(); err != nil {
			t.Fatalf("page %d of %d, to a client that does nothing but read: %v", i, pages, err)
		}
	}
}
