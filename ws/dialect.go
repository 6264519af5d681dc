package ws

import (
	"net/http"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
)

// A dialect is the format and meaning of a WebSocket's messages: the classic wire or protocol 2.
// It has no state.
type dialect interface {
	// path is the URL path of its WebSocket.
	path() string

	// name is the transport's name in lists of sessions.
	name() string

	// format encodes the hub's events for the session. It compresses publications unless compress is nil.
	format(compress *publications) boreas.Format

	// greeting returns a function that appends the server's first message to the session with the
	// ID, or nil for none. The grant is the session's first one, or nil if it is anonymous.
	greeting(h *handler, g *access.Grant) func(dst []byte, id string) []byte

	// bearer reports whether a token in the header Authorization is meant for the server.
	bearer() bool

	// text processes a client's text message, and binary a binary message. They count toward the
	// limits with the given number of bytes.
	text(c *conn, b []byte, bytes int)
	binary(c *conn, bytes int)

	// backpressure reports whether requests wait until the client has read earlier answers.
	backpressure() bool

	// closeFor returns the close frame with the reason why the session ended.
	closeFor(reason error) *closeError

	// refuse answers a handshake that does not become a session.
	refuse(w http.ResponseWriter, err error)
}
