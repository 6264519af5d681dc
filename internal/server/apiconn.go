package server

import (
	"net"
	"net/http"
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
type apiConn struct {
	net.Conn

	// unwatched is set from the start of a request's handler until net/http is done with the
	// request. It is written by the goroutine that serves the connection, before it starts the
	// goroutine that reads and after that one has ended.
	unwatched bool
}

// Read implements [net.Conn].
func (c *apiConn) Read(p []byte) (int, error) {
	if c.unwatched && len(p) == 1 {
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

// unwatched tells the connection of a POST that net/http need not watch it. The body must have a
// length: net/http reads such a body in larger pieces, so that a read of one byte is not for the
// body. It reads the chunks of other bodies in pieces of any size. Of headers it may read a single
// byte too, but not during a request.
func unwatched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.ContentLength > 0 {
			if c, ok := r.Context().Value(connectionKey{}).(*connection); ok {
				if plain, ok := c.conn.(*apiConn); ok {
					plain.unwatched = true
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}
