package sse

// transport is what lists of sessions call a stream.
const transport = "sse"

// Describe tells what the connection is, for lists of sessions.
func (c *conn) Describe() (name, address string) { return transport, c.RemoteAddr().String() }

// Describe tells what the connection is, for lists of sessions.
func (o *response) Describe() (name, address string) { return transport, o.peer }
