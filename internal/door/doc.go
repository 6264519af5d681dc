// Package door serves plain WebSocket handshakes without net/http, which takes a third of the time
// of a handshake. A [Listener] stands between the system's listener and [http.Server.Serve]. It
// serves a connection itself if all this holds:
//
//   - It is a TCP connection without TLS and without the PROXY protocol, and the port's limits have
//     room for it.
//   - The first read returns the whole head of a request.
//   - The head is one that net/http accepts, and has only simple parts: GET, HTTP/1.1, one of the
//     paths of the WebSockets, `Upgrade: websocket`, one Host, no body, no continued line, no byte
//     outside ASCII.
//
// [http.Server] gets every other connection as if nobody had read from it. So the door may refuse to
// understand anything, at the price of the time that it would have saved. It must not accept
// anything that net/http refuses or understands in another way: a fuzz test compares the two.
//
// The handler is the same for both ways, and so are its limits, counters and log lines. It finds a
// [socket.Taker] in place of an [http.Hijacker]. If the handler refuses the request, the door keeps
// the response and gives the connection to http.Server with it; [Replay] writes it there in place of
// calling the handler again. So net/http writes all responses but the one that upgrades, and they
// are equal to the byte.
//
// A goroutine per connection waits for the first bytes without a buffer. A worker handles them on
// its own stack, and then the goroutine serves the WebSocket. So it never needs more than its first
// 2 KiB of stack.
package door
