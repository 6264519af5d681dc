package door

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// Options are the settings of a [Listener]. All are required, except HeaderTimeout.
type Options struct {
	// Handler is the handler of the [http.Server].
	Handler http.Handler

	// HeaderTimeout is the server's ReadHeaderTimeout. 0 means no limit.
	HeaderTimeout time.Duration

	// Begin counts a new connection. It returns the context of the connection's requests, and false
	// if the port has no room for it. It must not wait.
	Begin func(net.Conn) (context.Context, bool)

	// Active is called with a connection that Begin has counted, before its handler is called. It
	// returns false if the connection has been closed to make room. Otherwise nobody closes it from
	// now on: the handler may use its descriptor.
	Active func(net.Conn) bool

	// End is called with a connection that Begin has counted, when it has become a WebSocket or is
	// closed. It is not called for connections that http.Server gets.
	End func(net.Conn)
}

// A Listener serves plain WebSocket handshakes. Its Accept returns the other connections.
type Listener struct {
	// Immutable.
	net.Listener
	options Options
	out     chan accepted
	jobs    chan *job
	over    chan struct{} // closed when Accept returns no connection any more

	begun sync.Once
	err   error // of the inner listener; immutable once over is closed

	mu      sync.Mutex // guards the fields below
	waiting Conn       // the head of the ring of connections that have sent nothing
	pending int        // how many connections Accept may still return; the loop counts as one
	closing bool
	ended   bool // over is closed
}

// accepted is a result of Accept.
type accepted struct {
	conn net.Conn
	err  error
}

// Listen returns a listener on top of l. It does nothing before the first call of Accept.
func Listen(l net.Listener, o Options) *Listener {
	d := &Listener{Listener: l, options: o, out: make(chan accepted), jobs: make(chan *job), over: make(chan struct{}), pending: 1}
	d.waiting.prev, d.waiting.next = &d.waiting, &d.waiting
	return d
}

// Accept implements [net.Listener]. After Close it first returns the connections that the door has,
// so that [http.Server.Shutdown] treats them like its own.
func (l *Listener) Accept() (net.Conn, error) {
	l.begun.Do(func() {
		for range 4 * runtime.GOMAXPROCS(0) {
			go l.work()
		}
		go l.run()
	})
	select {
	case a := <-l.out:
		return a.conn, a.err
	case <-l.over:
		return nil, l.err
	}
}

// Close implements [net.Listener].
func (l *Listener) Close() error {
	err := l.Listener.Close()
	l.stop()
	return err
}

// stop makes connections stop waiting for their first bytes.
func (l *Listener) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	for c := l.waiting.next; c != &l.waiting; c = c.next {
		c.Conn.SetReadDeadline(time.Now())
	}
}

// run accepts connections until the inner listener is closed.
func (l *Listener) run() {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			if t, ok := err.(interface{ Temporary() bool }); ok && t.Temporary() {
				l.out <- accepted{nil, err} // http.Server waits before it calls Accept again
				continue
			}
			l.stop()
			l.err = err
			l.resolved()
			return
		}
		c := &Conn{Conn: nc, listener: l}
		ctx, ok := l.options.Begin(c)
		c.ctx = ctx
		if _, plain := nc.(*net.TCPConn); !ok || !plain {
			l.out <- accepted{c, nil}
			continue
		}
		l.mu.Lock()
		l.pending++
		l.mu.Unlock()
		go c.wait()
	}
}

// enter adds a connection to those that wait for their first bytes. It returns false if the door is
// closing.
func (l *Listener) enter(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	c.prev, c.next = l.waiting.prev, &l.waiting
	c.prev.next, c.next.prev = c, c
	return true
}

// leave ends enter.
func (l *Listener) leave(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.prev.next, c.next.prev = c.next, c.prev
	c.prev, c.next = nil, nil
}

// give gives the connection to [http.Server].
func (l *Listener) give(c *Conn) {
	if c.late {
		l.drop(c) // http.Server has been shut down during a slow check
		return
	}
	c.clock = true
	l.out <- accepted{c, nil}
	l.resolved()
}

// drop closes a connection that http.Server does not get.
func (l *Listener) drop(c *Conn) {
	l.options.End(c)
	c.Conn.Close()
	if !c.late {
		l.resolved()
	}
}

// resolved counts a connection that Accept has returned or that it need not return.
func (l *Listener) resolved() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending--; l.pending == 0 {
		l.ended = true
		close(l.over)
		close(l.jobs)
	}
}

// again undoes resolved. It returns false if Accept returns no connection any more.
func (l *Listener) again() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.pending++
	}
	return !l.ended
}
