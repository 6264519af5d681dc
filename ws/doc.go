// Package ws is the WebSocket transport of a hub. [Handler] serves protocol 2
// (docs/protocol.md), and [Classic] the wire of Boreas 1.0 (2013):
//
//	hub := boreas.New(boreas.Options{PingInterval: 25 * time.Second})
//	http.Handle("/v2", ws.Handler(hub, ws.Options{Check: check, Heartbeat: 25 * time.Second}))
//
// [Options.Check] decides which clients may connect and what they may do. To stop, call
// [boreas.Hub.Shutdown] before the HTTP server's Shutdown: an HTTP server does not know about the
// connections that became WebSockets.
package ws
