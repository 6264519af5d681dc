// Package ws is the WebSocket transport: it upgrades HTTP requests and speaks one of two
// dialects over RFC 6455, the classic wire of 2013 or protocol 2 (docs/protocol.md).
//
// A connection has one small goroutine, which waits for bytes without holding a
// buffer. What arrives is taken apart and carried out on the stack of one of a
// few workers, so that the stacks of the many stay at their smallest. While a client of
// protocol 2 has replies to read, what it sends waits. Once a
// session has been started nothing here writes to its socket but conn.TryWrite, and
// only the hub calls that.
package ws
