package ws

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a connection that accepts and records all bytes.
type recorder struct {
	*conn
	mu     sync.Mutex
	bytes  []byte
	writes int
}

func (r *recorder) TryWrite(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes = append(r.bytes, p...)
	r.writes++
	return len(p), nil
}
func (r *recorder) WaitWritable(time.Duration) error { return nil }

// frames describes the frames that were written.
func (r *recorder) frames() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return describe(r.bytes)
}

// forget discards the bytes that were written.
func (r *recorder) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes = nil
}

// describe returns one line for each frame of a server.
func describe(b []byte) (lines []string) {
	for r := bytes.NewReader(b); ; {
		op, payload, err := wstest.ReadFrame(r)
		if err != nil {
			return lines
		}
		lines = append(lines, wstest.Describe(op, payload))
	}
}

// rig is a connection whose input the test feeds.
type rig struct {
	*testing.T
	hub *boreas.Hub
	c   *conn
	out *recorder
	end func() // ends the session and the hub; the end of the test calls it as well
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	return newRigOf(t, boreas.Options{}, o)
}

func newRigOf(t *testing.T, h boreas.Options, o Options) *rig {
	t.Helper()
	return newRigSpeaking(t, classicDialect{}, h, o)
}

func newRigSpeaking(t *testing.T, d dialect, h boreas.Options, o Options) *rig {
	t.Helper()
	if o.Check == nil {
		o.Check = boreastest.Check(func(token string) (string, bool) { return "user", strings.HasPrefix(token, "valid") })
	}
	hub := boreas.New(h)
	handler := newHandler(hub, o, d)
	r := &rig{T: t, hub: hub, c: &conn{h: handler}}
	r.out = &recorder{conn: r.c}
	near, far := net.Pipe()
	r.c.Attach(near)
	s, err := hub.Reserve(netip.MustParseAddr("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	r.c.sess = s
	if err := s.Start(r.out, d.format(nil), nil); err != nil {
		t.Fatal(err)
	}
	r.end = sync.OnceFunc(func() {
		s.Lost(errGone)
		s.Done()
		near.Close()
		far.Close()
		hub.Shutdown(context.Background(), 0)
	})
	t.Cleanup(r.end)
	return r
}

// feed passes bytes from the client to the connection, chunk bytes at a time. 0 means all at once.
func (r *rig) feed(b []byte, chunk int) (over bool) {
	if chunk == 0 {
		chunk = len(b)
	}
	in := new(inbound)
	for len(b) > 0 && !over {
		n := min(chunk, len(b))
		over = r.c.consume(append([]byte(nil), b[:n]...), in)
		b = b[n:]
	}
	return over
}

const fin = wstest.Fin

// frame returns a masked frame of a client; first is its first byte.
func frame(first byte, payload string) []byte { return []byte(wstest.Frame(first, payload)) }

func text(s string) []byte    { return frame(fin|1, s) }
func ping(s string) []byte    { return frame(fin|9, s) }
func closeOf(s string) []byte { return frame(fin|8, s) }

func join(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}
