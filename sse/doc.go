// Package sse is the transport of a hub for server-sent events (WHATWG HTML, section 9.2). Each
// request is a session that receives messages; section 10 of docs/protocol.md specifies it:
//
//	hub := boreas.New(boreas.Options{PingInterval: 25 * time.Second})
//	http.Handle(sse.Path, sse.Handler(hub, sse.Options{Check: check, Heartbeat: 25 * time.Second}))
//
// [Options.Check] decides which clients may connect and what they may receive. To stop, call
// [boreas.Hub.Shutdown] before the HTTP server's Shutdown: an HTTP server does not know about
// streams over HTTP/1.1, which take over their connection.
package sse
