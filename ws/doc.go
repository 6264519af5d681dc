// Package ws is the classic WebSocket transport: it upgrades HTTP requests and
// speaks the wire of 2013 over RFC 6455.
//
// A connection has one small goroutine, which waits for bytes without holding a
// buffer. What arrives is taken apart and carried out on the stack of one of a
// few workers, so that the stacks of the many stay at their smallest. Once a
// session has been started nothing here writes to its socket but conn.TryWrite, and
// only the hub calls that.
package ws
