package ws

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// crowd is the connections of one hub. Its clients send only when the test calls send. Time is that
// of the test's bubble.
type crowd struct {
	*testing.T
	hub     *boreas.Hub
	handler *handler
	clients []*sender
}

// sender is a client of a crowd.
type sender struct {
	net.Conn
	out *recorder
}

// inCrowd runs a test with a hub whose clients all have one address.
func inCrowd(t *testing.T, h boreas.Options, d dialect, test func(*crowd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		hub := boreas.New(h)
		check := boreastest.Check(func(token string) (string, bool) { return "user", strings.HasPrefix(token, "valid") })
		c := &crowd{T: t, hub: hub, handler: newHandler(hub, Options{Check: check}, d)}
		test(c)
		for _, client := range c.clients {
			client.Close()
		}
		synctest.Wait()
		if held := hub.Stats().Held; held.Bytes != 0 {
			t.Errorf("all clients have disconnected, but the hub holds %+v", held)
		}
		hub.Shutdown(context.Background(), 0)
	})
}

func (r *crowd) dial() *sender {
	r.Helper()
	near, far := net.Pipe()
	c := &conn{h: r.handler, clientBits: maxClientBits}
	c.Attach(near)
	sess, err := r.hub.Reserve(netip.MustParseAddr("192.0.2.1"))
	if err != nil {
		r.Fatal(err)
	}
	c.sess = sess
	out := &recorder{conn: c}
	if err := sess.Start(out, r.handler.dialect.format(nil), nil); err != nil {
		r.Fatal(err)
	}
	r.handler.workers.open()
	go c.serve(nil)
	client := &sender{far, out}
	r.clients = append(r.clients, client)
	return client
}

// send sends bytes as far as they are read.
func (r *crowd) send(c *sender, b []byte) {
	r.Helper()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.Write(b) //nolint:errcheck // the server may have closed the connection
	}()
	synctest.Wait()
}

const large = 60_000

// unfinished is a message without its last two bytes: net.Pipe does not work with a single byte,
// because such a connection is read in two steps.
func unfinished() []byte {
	b := text(strings.Repeat(" ", large))
	return b[:len(b)-2]
}

// TestUnfinishedMessagesAreBounded sends incomplete messages from one address that has room for
// two of them.
func TestUnfinishedMessagesAreBounded(t *testing.T) {
	for _, dialect := range []dialect{classicDialect{}, v2Dialect{}} {
		inCrowd(t, boreas.Options{PeerMemory: 1 << 20}, dialect, func(r *crowd) {
			var clients []*sender
			for range 6 {
				c := r.dial()
				clients = append(clients, c)
				r.send(c, unfinished())
			}
			held := r.hub.Stats().Held
			if held.Request > 128<<10 || held.Request < 2*large || held.Waiting != 4 {
				t.Errorf("held: %+v", held)
			}
			// Small messages work meanwhile.
			small := r.dial()
			r.send(small, ping("small"))
			if got := small.out.frames(); !slices.Equal(got, []string{"pong small"}) {
				t.Errorf("a small frame got %q", got)
			}
			time.Sleep(11 * time.Second)
			synctest.Wait()
			if got := r.hub.Stats().Ended.PeerMemory; got != 4 {
				t.Errorf("%d sessions ended, want 4", got)
			}
			got := clients[5].out.frames()
			want := "close 1008 Too many bytes are held for the clients of this address (peer_memory / 8)"
			if dialect.name() == "websocket" {
				want = "close 4205 peer_memory"
			}
			if len(got) == 0 || !strings.HasPrefix(got[len(got)-1], want) {
				t.Errorf("the last client got %q, want %s", got, want)
			}
		})
	}
}

// TestAMessageContinuesWhenThereIsRoom finishes the first of two messages. The second one waits for
// the room that the first one holds.
func TestAMessageContinuesWhenThereIsRoom(t *testing.T) {
	inCrowd(t, boreas.Options{PeerMemory: 512 << 10}, v2Dialect{}, func(r *crowd) {
		first, second := r.dial(), r.dial()
		r.send(first, unfinished())
		message := fmt.Sprintf(`{"id":1,"ping":{}%s}`, strings.Repeat(" ", large))
		r.send(second, text(message))
		if held := r.hub.Stats().Held; held.Waiting != 1 {
			t.Fatalf("held: %+v", held)
		}
		r.send(first, []byte("  "))
		if got := second.out.frames(); len(got) != 1 || got[0] != `text {"id":1,"ping":{}}` {
			t.Errorf("the second got %q", got)
		}
		if held := r.hub.Stats().Held; held.Bytes != 0 || held.Refused.Address != 0 {
			t.Errorf("held: %+v", held)
		}
	})
}

// TestAMessageMustArriveInTime sends a part of a large message, and keeps answering pings.
func TestAMessageMustArriveInTime(t *testing.T) {
	inCrowd(t, boreas.Options{}, v2Dialect{}, func(r *crowd) {
		slow, quick := r.dial(), r.dial()
		r.send(slow, frame(1, strings.Repeat("x", 10_000)))
		r.send(quick, frame(1, "x")) // holds almost nothing
		for range 40 {
			time.Sleep(time.Second)
			r.send(slow, frame(fin|10, ""))
		}
		if got := slow.out.frames(); len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "close 4103 timeout") {
			t.Errorf("the slow client got %q", got)
		}
		if got := quick.out.frames(); len(got) > 0 {
			t.Errorf("the quick client got %q", got)
		}
	})
}

// TestFragmentsAreHeldAsOneMessage sends a message in many fragments.
func TestFragmentsAreHeldAsOneMessage(t *testing.T) {
	inCrowd(t, boreas.Options{}, v2Dialect{}, func(r *crowd) {
		c := r.dial()
		r.send(c, frame(1, `{"id":1,"ping":{}`))
		for range 10 {
			r.send(c, frame(0, strings.Repeat(" ", 3000)))
		}
		held := r.hub.Stats().Held
		if held.Request < 30_000 || held.Request > 64<<10 {
			t.Errorf("held: %+v", held)
		}
		r.send(c, frame(fin, "}"))
		if got := c.out.frames(); len(got) != 1 || got[0] != `text {"id":1,"ping":{}}` {
			t.Errorf("got %q", got)
		}
	})
}

// TestRefusedPages requests history, and joins many channels, when there is no room.
func TestRefusedPages(t *testing.T) {
	inCrowd(t, boreas.Options{PeerMemory: 1 << 20}, v2Dialect{}, func(r *crowd) {
		if _, err := r.hub.Publish(context.Background(), "news", engine.Message{Data: bytes.Repeat([]byte("1"), 100<<10)}); err != nil {
			t.Fatal(err)
		}
		blocker := r.hub.Held(boreas.HeldAnswer, netip.MustParseAddr("192.0.2.1"), "")
		if err := blocker.Set(100 << 10); err != nil {
			t.Fatal(err)
		}
		c := r.dial()
		r.send(c, text(`{"id":1,"auth":{"token":"valid"}}`))
		c.out.forget()
		many := `{"id":2,"join":{"channels":[`
		for i := range 100 {
			many += fmt.Sprintf(`{"channel":"c%d"},`, i)
		}
		many = strings.TrimSuffix(many, ",") + `]}}`
		for _, request := range []string{`{"id":1,"history":{"channel":"news"}}`, many} {
			r.send(c, text(request))
			time.Sleep(11 * time.Second)
			synctest.Wait()
			if got := c.out.frames(); len(got) != 1 || !strings.Contains(got[0], `"error":{"code":"peer_memory"`) || !strings.Contains(got[0], `"retry_after_ms":1000`) {
				t.Errorf("%.40s got %.300q", request, got)
			}
			c.out.forget()
		}
		blocker.Keep(0)
		r.send(c, text(`{"id":1,"history":{"channel":"news"}}`))
		if got := c.out.frames(); len(got) != 1 || !strings.Contains(got[0], `"messages":[`) {
			t.Errorf("once there is room: got %.200q", got)
		}
	})
}
