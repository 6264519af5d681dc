package logwriter

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reader is the destination of a Writer. It can be made to block and to fail.
type reader struct {
	open chan struct{} // closed when it accepts lines

	mu   sync.Mutex
	text bytes.Buffer
	take int // how many bytes it accepts before it fails; negative means all
	err  error
}

func newReader() *reader { return &reader{open: make(chan struct{}), take: -1} }

func (r *reader) Write(p []byte) (int, error) {
	<-r.open
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.take < 0 {
		return r.text.Write(p)
	}
	n := min(r.take, len(p))
	r.take -= n
	r.text.Write(p[:n])
	if n < len(p) {
		return n, r.err
	}
	return n, nil
}

// fail makes the reader fail after the given number of further bytes.
func (r *reader) fail(take int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.take, r.err = take, err
}

func (r *reader) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func report(n uint64) []byte { return fmt.Appendf(nil, "%d dropped\n", n) }

func TestLinesArriveInOrder(t *testing.T) {
	r := newReader()
	close(r.open)
	w := New(r, Options{Report: report})
	var want strings.Builder
	for i := range 1_000 { // lines of different lengths, some longer than a chunk
		line := fmt.Sprintf("%d %s\n", i, strings.Repeat("x", i*i%(2*chunk)))
		want.WriteString(line)
		for {
			w.mu.Lock()
			room := len(w.pending)+len(line) <= w.limit
			w.mu.Unlock()
			if room {
				break
			}
		}
		fmt.Fprint(w, line)
	}
	if !w.Close(time.Minute) {
		t.Error("Close returned false")
	}
	if got := r.String(); got != want.String() || w.Dropped() != 0 {
		t.Errorf("%d bytes arrived of %d, %d lines were dropped", len(got), want.Len(), w.Dropped())
	}
}

// TestReaderThatDoesNotRead: a reader that does not read delays nothing, and costs no more memory
// than allowed. Dropped lines are counted, and reported in their place.
func TestReaderThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader()
		w := New(r, Options{Bytes: 10, Report: report})
		fmt.Fprint(w, "1\n")
		synctest.Wait() // the first is being written
		for i := 2; i < 100; i++ {
			fmt.Fprintf(w, "%d\n", i) // five fit: 2 to 6
		}
		fmt.Fprint(w, "too long, whatever there is room for\n")
		if n := w.Dropped(); n != 94 {
			t.Errorf("%d lines are dropped", n)
		}
		if w.Close(time.Second) {
			t.Error("Close returned true, although lines are left")
		}
		fmt.Fprint(w, "late\n")
		close(r.open)
		<-w.done
		if diff := cmp.Diff("1\n2\n3\n4\n5\n6\n95 dropped\n", r.String()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestLossIsReportedOnce: when lines arrive again after a loss, the loss is reported once.
func TestLossIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader()
		w := New(r, Options{Bytes: 4, Report: report})
		fmt.Fprint(w, "1\n")
		synctest.Wait()
		fmt.Fprint(w, "2\n")
		fmt.Fprint(w, "3\n")
		fmt.Fprint(w, "4\n")
		close(r.open)
		synctest.Wait()
		fmt.Fprint(w, "5\n")
		synctest.Wait()
		w.Close(time.Second)
		if diff := cmp.Diff("1\n2\n3\n1 dropped\n5\n", r.String()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestWriteThatFails: a reader fails and works again, as with a full disk or a reopened pipe.
func TestWriteThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader()
		close(r.open)
		w := New(r, Options{Report: report})
		say := func(text string) {
			fmt.Fprint(w, text)
			synctest.Wait()
		}
		say("1\n")
		r.fail(3, errors.New("no space"))
		say("two\n") // except its end
		say("3\n")
		say("4\n5\n")
		r.fail(-1, nil)
		say("6\n")
		w.Close(time.Second)
		if diff := cmp.Diff("1\ntwo\n4 dropped\n6\n", r.String()); diff != "" || w.Dropped() != 4 {
			t.Errorf("%d dropped (-want +got):\n%s", w.Dropped(), diff)
		}
	})
}

// TestPipeThatDoesNotBlock: if a nonblocking pipe is full, the Writer waits for its reader.
func TestPipeThatDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader()
		close(r.open)
		w := New(r, Options{Report: report})
		r.fail(2, syscall.EAGAIN)
		fmt.Fprint(w, "one\n")
		time.Sleep(time.Minute)
		r.fail(-1, nil)
		w.Close(time.Minute)
		if diff := cmp.Diff("one\n", r.String()); diff != "" || w.Dropped() != 0 {
			t.Errorf("%d dropped (-want +got):\n%s", w.Dropped(), diff)
		}
	})
}

// TestCloseIsBounded: Close does not wait forever, so the program can end.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader()
		w := New(r, Options{})
		fmt.Fprint(w, "1\n")
		start := time.Now()
		if w.Close(time.Second) || time.Since(start) != time.Second {
			t.Errorf("it took %v", time.Since(start))
		}
		close(r.open)
		<-w.done
	})
}
