package door

import (
	"net/http"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/socket"
)

// job is the first read of one connection, for a worker.
type job struct {
	c      *Conn
	b      *socket.Buffer
	serve  func() // the result if the connection is a WebSocket; may be nil
	fate   fate   // the result
	slowed bool   // another worker has taken the worker's place
	done   chan struct{}
}

// fate is what becomes of a connection.
type fate int

const (
	given  fate = iota // http.Server gets it
	taken              // the handler has taken it
	broken             // it is closed
)

var jobs = sync.Pool{New: func() any { return &job{done: make(chan struct{})} }}

// wait serves the connection, or gives it to [http.Server]. It runs on the connection's own
// goroutine, whose stack must stay small.
func (c *Conn) wait() {
	if serve := c.first(); serve != nil {
		serve()
	}
}

// first waits for the first bytes. It returns the function that serves a WebSocket, or nil if there
// is none.
func (c *Conn) first() (serve func()) {
	l := c.listener
	if d := l.options.HeaderTimeout; d > 0 {
		c.deadline = time.Now().Add(d)
		c.Conn.SetReadDeadline(c.deadline) // if it fails, so does Wait
	}
	if !l.enter(c) {
		l.give(c)
		return nil
	}
	c.sock.Attach(c.Conn)
	b, err := c.sock.Wait()
	l.leave(c)
	if err != nil {
		l.give(c) // net/http finds the same error
		return nil
	}
	j := jobs.Get().(*job)
	j.c, j.b = c, b
	l.jobs <- j
	<-j.done
	serve = j.serve
	switch j.fate {
	case given:
		c.unread = b
		l.give(c)
	case taken:
		b.Release()
		l.resolved()
	case broken:
		b.Release()
		l.drop(c)
	}
	*j = job{done: j.done}
	jobs.Put(j)
	return serve
}

// work is a worker: it handles first reads on its stack.
func (l *Listener) work() {
	for j := range l.jobs {
		j.handle()
		slowed := j.slowed
		j.done <- struct{}{}
		if slowed {
			return
		}
	}
}

// handle decides the fate of the connection, and calls the handler if its bytes are a plain request.
func (j *job) handle() {
	r, n := parse(j.c.ctx, j.b.Bytes())
	if r == nil {
		return
	}
	if !j.c.listener.options.Active(j.c) {
		j.fate = broken
		return
	}
	r.RemoteAddr = socket.AddressText(j.c.Conn.RemoteAddr())
	w := &response{job: j, early: j.b.Bytes()[n:]}
	switch whole := serveHTTP(j.c.listener.options.Handler, w, r); {
	case j.fate == taken: // the handler closes it, if it has failed
		j.serve = w.serve
	case !whole:
		j.fate = broken
	default:
		j.c.refused = &w.kept
	}
}

// serveHTTP calls the handler. It returns false if the handler has panicked.
func serveHTTP(h http.Handler, w http.ResponseWriter, r *http.Request) (whole bool) {
	defer func() {
		if !whole {
			_ = recover() // [http.ErrAbortHandler], because the handler reports its panics
		}
	}()
	h.ServeHTTP(w, r)
	return true
}
