//go:build unix

package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestTLSIsWrittenAtOnce: a write that fits into the socket is done when TryWrite returns, without
// a goroutine.
func TestTLSIsWrittenAtOnce(t *testing.T) {
	c, far := pair(t, overTLS)
	want := bytes.Repeat([]byte("boreas "), 5_000) // three records
	if n, err := c.TryWrite(want); n != len(want) || err != nil {
		t.Fatalf("%d of %d bytes were taken: %v", n, len(want), err)
	}
	if c.out.underWay() != nil {
		t.Error("the write is still under way")
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("other bytes arrived: %v", err)
	}
}

// TestTLSKeepsOneRecordForASlowReader: nonblockingTLS keeps at most one record for a slow reader,
// regardless of the size of the writes.
func TestTLSKeepsOneRecordForASlowReader(t *testing.T) {
	c, _ := pair(t, overTLS)
	for {
		n, err := c.TryWrite(make([]byte, 16<<20))
		if err != nil {
			t.Fatal(err)
		}
		if n < 16<<20 {
			break
		}
	}
	under := c.out.under
	under.mu.Lock()
	defer under.mu.Unlock()
	if n := len(under.left); n > maxRecord+256 {
		t.Errorf("%d bytes are kept, want a record at most", n)
	}
}

// pieces is a connection that sends one byte at a time.
type pieces struct{ net.Conn }

func (p pieces) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := p.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// TestTLSInPieces: Wait waits for a record that arrives in pieces, and obeys a deadline in between.
func TestTLSInPieces(t *testing.T) {
	near, far := sockets(t, overSocket)
	server, client := secure(t, newNonblockingTLS(near), pieces{far})
	c := new(Conn)
	c.Attach(server)
	t.Cleanup(func() { c.Drop(); far.Close() })
	for range 3 {
		c.SetReadDeadline(time.Now())
		if _, err := c.Wait(); !isTimeout(err) {
			t.Fatalf("got %v, want an exceeded deadline", err)
		}
		c.SetReadDeadline(time.Time{})
		go client.Write([]byte("boreas"))
		b, err := c.Wait()
		if err != nil {
			t.Fatal(err)
		}
		if string(b.Bytes()) != "boreas" {
			t.Errorf("%q arrived", b.Bytes())
		}
		b.Release()
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// TestTLSAnswersAreBounded: the answers of crypto/tls to key updates do not pile up if the peer
// does not read them.
func TestTLSAnswersAreBounded(t *testing.T) {
	near, far := sockets(t, overSocket)
	defer far.Close()
	c := newNonblockingTLS(near).(*nonblockingTLS)
	c.hold()
	defer c.Close()
	var err error
	var n int
	for range 64 << 10 { // KiB
		if _, err = c.Write(make([]byte, 1<<10)); err != nil {
			break
		}
		n++
	}
	if !errors.Is(err, errLeft) {
		t.Fatalf("after %d KiB: %v", n, err)
	}
	if _, again := c.Write(nil); !errors.Is(again, errLeft) {
		t.Errorf("the next write: %v", again)
	}
	c.Close()
	for done := c.busy(); done != nil; done = c.busy() {
		<-done
	}
}

// TestNoWriteAfterClose: after Close nothing is written to the descriptor, which may already belong
// to another connection.
func TestNoWriteAfterClose(t *testing.T) {
	near, far := sockets(t, overSocket)
	defer far.Close()
	c := newNonblockingTLS(near).(*nonblockingTLS)
	c.hold()
	c.Close()
	if n, err := c.Write([]byte("late")); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%d bytes were written: %v", n, err)
	}
}

// TestTLSHoldsNoBuffersWhileItWaits: a tls.Conn holds no read buffers while it waits. If this test
// fails with a new version of Go, see tlsbuffers.go.
func TestTLSHoldsNoBuffersWhileItWaits(t *testing.T) {
	c, far := pair(t, overTLS)
	waiting := func() {
		c.SetReadDeadline(time.Now())
		if _, err := c.Wait(); !isTimeout(err) {
			t.Fatalf("got %v, want an exceeded deadline", err)
		}
		c.SetReadDeadline(time.Time{})
		if !canRelease {
			t.Fatalf("the buffers of crypto/tls are not known in %s: see tlsbuffers.go", runtime.Version())
		}
		for _, name := range []string{"rawInput", "hand"} {
			if f := reflect.ValueOf(c.nc).Elem().FieldByName(name).FieldByName("buf"); f.Cap() != 0 {
				t.Errorf("%s has room for %d bytes", name, f.Cap())
			}
		}
		if f := reflect.ValueOf(c.nc).Elem().FieldByName("input").FieldByName("s"); f.Cap() != 0 {
			t.Errorf("input points to %d bytes", f.Cap())
		}
	}
	waiting()
	for _, text := range []string{"boreas", strings.Repeat("boreas", 1000)} { // one record; more than one read
		far.Write([]byte(text))
		for n := 0; n < len(text); {
			b, err := c.Wait()
			if err != nil {
				t.Fatal(err)
			}
			n += len(b.Bytes())
			b.Release()
		}
		waiting()
	}
}
