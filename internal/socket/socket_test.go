package socket

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kind is the kind of a connection.
type kind string

const (
	overSocket   kind = "socket"
	overAsync    kind = "async writer"     // not a socket
	overTLS      kind = "TLS"              // from a Listener
	overAsyncTLS kind = "TLS async writer" // not from a Listener
)

func (k kind) isTLS() bool { return k == overTLS || k == overAsyncTLS }

// pair returns a Conn of the given kind and its peer.
func pair(t *testing.T, k kind) (*Conn, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	if k != overAsync {
		near, far = sockets(t, k)
	}
	c := new(Conn)
	c.Attach(near)
	t.Cleanup(func() { c.Drop(); far.Close() })
	return c, far
}

func sockets(t *testing.T, k kind) (near, far net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if far, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if k == overTLS {
		l = Listener(l)
	}
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	if k.isTLS() {
		near, far = secure(t, near, far)
	}
	return near, far
}

// secure performs the TLS handshake on both ends.
func secure(t *testing.T, near, far net.Conn) (server, client *tls.Conn) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	server = tls.Server(near, s.TLS)
	config := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "example.com"
	client = tls.Client(far, config)
	done := make(chan error)
	go func() { done <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return server, client
}

func eachKind(t *testing.T, test func(t *testing.T, k kind)) {
	for _, k := range []kind{overSocket, overAsync, overTLS, overAsyncTLS} {
		t.Run(string(k), func(t *testing.T) { test(t, k) })
	}
}

// TestWritesArriveWholeAndInOrder: bytes arrive complete and in order, even if TryWrite refuses
// some.
func TestWritesArriveWholeAndInOrder(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		c, far := pair(t, k)
		var want []byte
		for i := range 8 << 20 {
			want = append(want, byte(i*31>>5))
		}
		got := make(chan []byte)
		go func() {
			b, _ := io.ReadAll(far)
			got <- b
		}()
		for rest := want; len(rest) > 0; {
			n, err := c.TryWrite(rest[:min(len(rest), 1<<20)])
			if err != nil {
				t.Fatal(err)
			}
			if rest = rest[n:]; n == 0 {
				if err := c.WaitWritable(time.Minute); err != nil {
					t.Fatal(err)
				}
			}
		}
		c.Close()
		if b := <-got; !bytes.Equal(b, want) {
			t.Errorf("%d bytes arrived, not the %d that were written", len(b), len(want))
		}
	})
}

func TestWaitWritableEnds(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		c, _ := pair(t, k)
		for range 64 { // MiB: more than any socket holds
			if _, err := c.TryWrite(make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
			if err := c.WaitWritable(time.Millisecond); errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
		}
		t.Errorf("WaitWritable never reached its deadline, although the peer reads nothing")
	})
}

func TestWaitReturnsAllBytesThenAnError(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		c, far := pair(t, k)
		want := bytes.Repeat([]byte("boreas "), 10_000)
		go func() {
			far.Write(want)
			far.Close()
		}()
		var got []byte
		for {
			b, err := c.Wait()
			if err != nil {
				break
			}
			got = append(got, b.Bytes()...)
			b.Release()
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes arrived, not the %d that were written", len(got), len(want))
		}
	})
}

func TestReadDeadlineEndsWait(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		c, _ := pair(t, k)
		c.SetReadDeadline(time.Now())
		if _, err := c.Wait(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want os.ErrDeadlineExceeded", err)
		}
	})
}

// TestSizes: an idle connection has one Conn and no Buffer. A Buffer fills a size class.
func TestSizes(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the sizes are for 64 bits")
	}
	if n := unsafe.Sizeof(Conn{}); n > 64 {
		t.Errorf("a Conn has %d bytes, want at most 64", n)
	}
	if n := unsafe.Sizeof(Buffer{}); n != 4<<10 {
		t.Errorf("a Buffer has %d bytes, want 4 KiB", n)
	}
}
