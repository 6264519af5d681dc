package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns a connection and its peer: a socket, or one that is none.
func pair(t *testing.T, isSocket bool) (*Conn, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	if isSocket {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if far, err = net.Dial("tcp", l.Addr().String()); err != nil {
			t.Fatal(err)
		}
		if near, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	c := new(Conn)
	c.Attach(near)
	t.Cleanup(func() { c.Drop(); far.Close() })
	return c, far
}

func bothKinds(t *testing.T, test func(t *testing.T, isSocket bool)) {
	for name, isSocket := range map[string]bool{"socket": true, "relay": false} {
		t.Run(name, func(t *testing.T) { test(t, isSocket) })
	}
}

// What is refused and waited for arrives whole, in order.
func TestWritesArriveWholeAndInOrder(t *testing.T) {
	bothKinds(t, func(t *testing.T, isSocket bool) {
		c, far := pair(t, isSocket)
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
	bothKinds(t, func(t *testing.T, isSocket bool) {
		c, _ := pair(t, isSocket)
		for n := 1; n > 0; {
			var err error
			if n, err = c.TryWrite(make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.WaitWritable(time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a deadline that is exceeded", err)
		}
	})
}

func TestWaitReturnsWhatCameAndThenTheEnd(t *testing.T) {
	bothKinds(t, func(t *testing.T, isSocket bool) {
		c, far := pair(t, isSocket)
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
	bothKinds(t, func(t *testing.T, isSocket bool) {
		c, _ := pair(t, isSocket)
		c.SetReadDeadline(time.Now())
		if _, err := c.Wait(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a deadline that is exceeded", err)
		}
	})
}

// Each idle connection has one Conn and no buffer; buffers fill a size class.
func TestSizes(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the sizes are those of 64 bits")
	}
	if n := unsafe.Sizeof(Conn{}); n > 64 {
		t.Errorf("a Conn has %d bytes, want at most 64", n)
	}
	if n := unsafe.Sizeof(Buffer{}); n != 4<<10 {
		t.Errorf("a Buffer has %d bytes, want 4 KiB", n)
	}
}
