// Package wstest is the WebSocket client of the tests. It shows a test each frame and lets it send
// any bytes, which a library would not. It is written from RFC 6455 and imports only the standard
// library, so that the server is tested against another implementation.
package wstest
