//go:build unix

package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
)

// A write that the socket has room for is done when it returns: no goroutine has it.
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
		t.Errorf("something else arrived: %v", err)
	}
}

// Of a slow reader's messages the nonblockingTLS holds a record, whatever is to be written.
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

// A record that comes in pieces is waited for, and so is a deadline between them.
func TestTLSInPieces(t *testing.T) {
	near, far := sockets(t, overSocket)
	server, client := secure(t, newNonblockingTLS(near), pieces{far})
	c := new(Conn)
	c.Attach(server)
	t.Cleanup(func() { c.Drop(); far.Close() })
	for range 3 {
		c.SetReadDeadline(time.Now())
		if _, err := c.Wait(); !isTimeout(err) {
			t.Fatalf("got %v, want a deadline that is exceeded", err)
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

// What TLS says by itself to a peer that reads nothing (the answers to its key updates)
// does not pile up.
func TestAnswersOfTLSAreBounded(t *testing.T) {
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

// Nothing is written to a descriptor that may be another connection's.
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

// While it waits, TLS holds none of what it has read. If this fails after a change of Go,
// see tlsbuffers.go.
func TestTLSHoldsNoBuffersWhileItWaits(t *testing.T) {
	c, far := pair(t, overTLS)
	waiting := func() {
		c.SetReadDeadline(time.Now())
		if _, err := c.Wait(); !isTimeout(err) {
			t.Fatalf("got %v, want a deadline that is exceeded", err)
		}
		c.SetReadDeadline(time.Time{})
		if !canRelease {
			t.Fatal("crypto/tls has no such fields")
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
	for _, text := range []string{"boreas", strings.Repeat("boreas", 1000)} { // a whole record; more than one read
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
