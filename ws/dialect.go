package ws

import (
	"net/http"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/access"
)

// A dialect is what is said in the messages of a WebSocket: the classic wire, or
// protocol 2. It has no state of its own.
type dialect interface {
	// path is where on the port it is spoken.
	path() string

	// name is what lists of sessions call it.
	name() string

	// format is the form of what the hub writes.
	format() boreas.Format

	// greeting returns the server's first message to the session with the name, or nil for none.
	// The grant is the session's first one, or nil if it is anonymous.
	greeting(h *handler, g *access.Grant) func(id string) []byte

	// bearer reports whether a token in the header Authorization is meant for the server.
	bearer() bool

	// text processes a client's text message, and binary a binary message. They count toward the
	// limits with the given number of bytes.
	text(c *conn, b []byte, bytes int)
	binary(c *conn, bytes int)

	// patient tells whether requests wait while the client has answers to read.
	patient() bool

	// closeFor returns the close frame that tells a client why its session ended.
	closeFor(reason error) *closing

	// refuse answers a request that does not become a session. The error is a fault.
	refuse(w http.ResponseWriter, err error)
}
