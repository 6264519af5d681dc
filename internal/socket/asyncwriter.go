package socket

import (
	"crypto/tls"
	"net"
	"os"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/internal/panics"
)

// asyncWriteTimeout is how long one write of a asyncWriter may take before its
// connection is given up. The hub looks for readers that the log has passed more
// often than that, so this only ends what nobody else would.
const asyncWriteTimeout = 30 * time.Second

// asyncWriter makes a connection that cannot be written without waiting (TLS, or any
// where there is no write(2)) into an output: it takes one batch at a time and
// writes it on a goroutine that lives as long as the write. TLS over a nonblockingTLS needs
// that only for what the socket did not take, and the nonblockingTLS does it.
type asyncWriter struct {
	nc    net.Conn
	tls   *tls.Conn       // nc, where there is a nonblockingTLS
	under *nonblockingTLS // of tls; nil if there is none

	mu   sync.Mutex
	room room
	busy chan struct{} // closed when the write under way is done; nil if there is none
	err  error         // of a write
}

func newAsyncWriter(nc net.Conn) *asyncWriter { return &asyncWriter{nc: nc} }

func (r *asyncWriter) holdFor(h Holder) {
	r.room.holder = h
	if r.under != nil {
		r.under.holdFor(h)
	}
}

// TryWrite takes as much of p as there is room for, and nothing while the last write is under
// way.
func (r *asyncWriter) TryWrite(p []byte) (int, error) {
	if r.under != nil {
		return r.under.tryWrite(r.tls, p)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	if r.busy != nil {
		return 0, nil
	}
	r.busy = make(chan struct{})
	p = p[:r.room.take(len(p))]
	go r.write(append([]byte(nil), p...))
	return len(p), nil
}

func (r *asyncWriter) write(p []byte) {
	r.nc.SetWriteDeadline(time.Now().Add(asyncWriteTimeout))
	err := guarded(func() error { _, err := r.nc.Write(p); return err })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	r.room.keep(0)
	close(r.busy)
	r.busy = nil
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

// underWay returns what is closed when the last write is done; nil if it is.
func (r *asyncWriter) underWay() <-chan struct{} {
	if r.under != nil {
		return r.under.busy()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.busy
}

// WaitWritable waits until the last write is done.
func (r *asyncWriter) WaitWritable(d time.Duration) error {
	busy := r.underWay()
	if busy == nil {
		return nil // the next write tells of an error
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

// Close closes the connection once the write under way is done.
func (r *asyncWriter) Close() { r.afterWrite(func() { r.nc.Close() }) }

// CloseWrite ends the sending direction once the write under way is done. It returns false if
// the connection cannot be half closed.
func (r *asyncWriter) CloseWrite() bool {
	half, ok := r.nc.(interface{ CloseWrite() error })
	if ok {
		r.afterWrite(func() { half.CloseWrite() })
	}
	return ok
}

// afterWrite calls f once the write under way is done. f must not wait.
func (r *asyncWriter) afterWrite(f func()) {
	busy := r.underWay()
	if busy == nil {
		f()
		return
	}
	go func() {
		<-busy
		f()
	}()
}
