package socket

import (
	"crypto/tls"
	"net"
	"os"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/panics"
)

// asyncWriteTimeout is how long one write of an asyncWriter may take before it fails. The hub
// checks more often for readers that have fallen behind the history, so the timeout only ends
// writes that nothing else would end.
const asyncWriteTimeout = 30 * time.Second

// asyncWriter writes to a connection whose Write may block: TLS, or any connection on a system
// without write(2). It takes one batch at a time, and a goroutine that ends with the write writes
// the batch. For TLS over a nonblockingTLS it only forwards the calls, because a nonblockingTLS has
// its own goroutine for bytes that the socket did not take.
type asyncWriter struct {
	// Immutable after Attach.
	nc    net.Conn
	tls   *tls.Conn       // nc, if under is not nil
	under *nonblockingTLS // below tls; nil if nc is not TLS over a nonblockingTLS

	mu sync.Mutex

	// Guarded by mu. The holder of room is set before the first write and immutable after that.
	room room
	busy chan struct{} // closed when the write under way ends; nil if there is none
	err  error         // of the last write
}

func newAsyncWriter(nc net.Conn) *asyncWriter { return &asyncWriter{nc: nc} }

func (w *asyncWriter) holdFor(h Holder) {
	w.room.holder = h
	if w.under != nil {
		w.under.holdFor(h)
	}
}

// TryWrite takes as much of p as there is room for. While a write is under way, it takes nothing.
func (w *asyncWriter) TryWrite(p []byte) (int, error) {
	if w.under != nil {
		return w.under.tryWrite(w.tls, p)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	if w.busy != nil {
		return 0, nil
	}
	w.busy = make(chan struct{})
	p = p[:w.room.take(len(p))]
	go w.write(append([]byte(nil), p...))
	return len(p), nil
}

func (w *asyncWriter) write(p []byte) {
	w.nc.SetWriteDeadline(time.Now().Add(asyncWriteTimeout))
	err := guarded(func() error { _, err := w.nc.Write(p); return err })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	w.room.keep(0)
	close(w.busy)
	w.busy = nil
}

// guarded turns a panic into an error. Otherwise the panic would end the process, because
// nothing else recovers on the goroutines of a connection.
func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panics.Caught(v)
		}
	}()
	return f()
}

// underWay returns a channel that is closed when the write under way ends, or nil if there is none.
func (w *asyncWriter) underWay() <-chan struct{} {
	if w.under != nil {
		return w.under.busy()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.busy
}

// WaitWritable waits until the write under way ends, at most for d.
func (w *asyncWriter) WaitWritable(d time.Duration) error {
	busy := w.underWay()
	if busy == nil {
		return nil // the next write returns the error, if there is one
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-busy:
		return nil
	case <-timer.C:
		return os.ErrDeadlineExceeded
	}
}

// Close closes the connection when the write under way ends.
func (w *asyncWriter) Close() { w.afterWrite(func() { w.nc.Close() }) }

// CloseWrite closes the sending direction when the write under way ends. It returns false if the
// connection cannot be half closed.
func (w *asyncWriter) CloseWrite() bool {
	half, ok := w.nc.(interface{ CloseWrite() error })
	if ok {
		w.afterWrite(func() { half.CloseWrite() })
	}
	return ok
}

// afterWrite calls f when the write under way ends. f must not block.
func (w *asyncWriter) afterWrite(f func()) {
	busy := w.underWay()
	if busy == nil {
		f()
		return
	}
	go func() {
		<-busy
		f()
	}()
}
