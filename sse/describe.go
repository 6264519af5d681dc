package sse

import "github.com/boreas-pubsub/boreas/v2/internal/socket"

// transport is the name of this transport in lists of sessions.
const transport = "sse"

// Describe returns the transport's name and the client's address, for lists of sessions.
func (c *conn) Describe() (name, address string) {
	return transport, socket.AddressText(c.RemoteAddr())
}

// Describe returns the transport's name and the client's address, for lists of sessions.
func (o *response) Describe() (name, address string) { return transport, o.peer }
