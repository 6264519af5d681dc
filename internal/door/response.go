package door

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/socket"
)

// response is the response writer of a request that the door serves. It implements [socket.Taker].
type response struct {
	job   *job
	early []byte // valid until the handler returns
	serve func()
	kept  kept
}

// kept is a response that net/http has yet to write.
type kept struct {
	header http.Header
	status int
	body   []byte

	written atomic.Bool
}

// Header implements [http.ResponseWriter].
func (w *response) Header() http.Header {
	if w.kept.header == nil {
		w.kept.header = make(http.Header)
	}
	return w.kept.header
}

// WriteHeader implements [http.ResponseWriter].
func (w *response) WriteHeader(status int) {
	if w.kept.status == 0 {
		w.kept.status = status
	}
}

// Write implements [http.ResponseWriter].
func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.kept.body = append(w.kept.body, p...)
	return len(p), nil
}

// Take implements [socket.Taker].
func (w *response) Take() (*socket.Conn, []byte) {
	c := w.job.c
	w.job.fate = taken
	c.Conn.SetReadDeadline(time.Time{})
	c.listener.options.End(c)
	return &c.sock, w.early
}

// Serve implements [socket.Taker].
func (w *response) Serve(serve func()) { w.serve = serve }

// Slow implements [socket.Taker]. Another worker takes this one's place, and a Listener that is
// closed does not wait for the connection.
func (w *response) Slow(run func()) {
	c := w.job.c
	if !w.job.slowed {
		w.job.slowed = true
		go c.listener.work()
	}
	if !c.late {
		c.listener.resolved()
		defer func() { c.late = !c.listener.again() }()
	}
	run()
}

type keptKey struct{}

// Context returns a context for the requests of a connection that [http.Server] got from a
// [Listener], for [http.Server.ConnContext].
func Context(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*Conn); ok && c.refused != nil {
		return context.WithValue(ctx, keptKey{}, c.refused)
	}
	return ctx
}

// Replay returns a handler that writes the response with which the handler of a [Listener] has
// refused the request. All other requests go to next.
func Replay(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k, ok := r.Context().Value(keptKey{}).(*kept)
		if !ok || k.written.Swap(true) {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		for name, values := range k.header {
			h[name] = values
		}
		if k.status != 0 {
			w.WriteHeader(k.status)
		}
		w.Write(k.body) //nolint:errcheck // the client has gone
	})
}
