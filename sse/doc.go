// Package sse serves streams of server-sent events (WHATWG HTML, section 9.2): each
// request is a session of a hub, as section 10 of docs/protocol.md has it.
//
// Over HTTP/1.1 a stream takes its connection over from net/http and writes the
// response itself. So it is written to as a WebSocket is: by the hub, with what all
// subscribers of a channel share, and without a goroutine that waits to write. Over
// HTTP/2 a connection has other streams too: there the request's goroutine writes.
package sse
