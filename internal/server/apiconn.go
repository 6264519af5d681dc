package server

import (
	"io"
	"net"
	"net/http"
	"time"
)

// apiConn is a connection to the API without TLS. It saves a publish the time in which net/http
// waits for a goroutine.
//
// When a request's body has been read, net/http starts a goroutine that reads one byte, to notice
// that the client disconnects. After the handler has returned, net/http interrupts that read and
// waits for the goroutine. On a busy server the goroutine's turn comes after everything else that is
// ready, and a publisher pays for it with each request. While unwatched is set, the read returns
// at once without a byte. So the request's context does not end when the client disconnects. Every
// handler of a POST has a time limit of its own.
//
// The handler waits for that goroutine as soon as it has read the body. The scheduler runs a new
// goroutine next, so this takes no time. After the publish it would run the sweeper next, and the
// goroutine last. Publishers would then find their next request when they are done with one, so that
// a few of them would keep the processor from all other connections.
type apiConn struct {
	net.Conn
	watcher chan struct{} // has a value when net/http has begun to watch

	// unwatched is set from the start of a request's handler until net/http is done with the
	// request. It is written by the goroutine that serves the connection, before it starts the
	// goroutine that reads and after that one has ended.
	unwatched bool

	// late is set if net/http has not begun to watch in time. It is owned by the goroutine that
	// serves the connection.
	late bool
}

// watcherPatience is a precaution: if net/http starts no goroutine, the requests go on without it.
const watcherPatience = 10 * time.Millisecond

func newAPIConn(c net.Conn) *apiConn { return &apiConn{Conn: c, watcher: make(chan struct{}, 1)} }

// Read implements [net.Conn].
func (c *apiConn) Read(p []byte) (int, error) {
	if c.unwatched && len(p) == 1 {
		select {
		case c.watcher <- struct{}{}:
		default:
		}
		return 0, nil
	}
	return c.Conn.Read(p)
}

// NetConn returns the socket.
func (c *apiConn) NetConn() net.Conn { return c.Conn }

// CloseWrite lets net/http send the end of a response before it closes the connection.
func (c *apiConn) CloseWrite() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return nil
}

// begin begins the handler of a request that need not be watched.
func (c *apiConn) begin() {
	c.unwatched = true
	select {
	case <-c.watcher: // of a request whose body the handler has not read
	default:
	}
}

// awaitWatcher waits until net/http has begun to watch the connection.
func (c *apiConn) awaitWatcher() {
	if c.late {
		return
	}
	timer := time.NewTimer(watcherPatience)
	defer timer.Stop()
	select {
	case <-c.watcher:
	case <-timer.C:
		c.late = true
	}
}

// unwatchedBody is the body of a request that need not be watched.
type unwatchedBody struct {
	io.ReadCloser
	conn  *apiConn
	ended bool
}

// Read implements [io.Reader].
func (b *unwatchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF && !b.ended {
		b.ended = true
		b.conn.awaitWatcher()
	}
	return n, err
}

// unwatched tells the connection of a POST that net/http need not watch it. The body must have a
// length: net/http reads such a body in larger pieces, so that a read of one byte is not for the
// body. It reads the chunks of other bodies in pieces of any size. Of headers it may read a single
// byte too, but not during a request.
func unwatched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.ContentLength > 0 {
			if c, ok := r.Context().Value(connectionKey{}).(*connection); ok {
				if plain, ok := c.conn.(*apiConn); ok {
					plain.begin()
					r.Body = &unwatchedBody{ReadCloser: r.Body, conn: plain}
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}
