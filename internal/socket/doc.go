// Package socket is the way to a client's connection that all transports share: it
// writes without waiting, as the hub wants it, and waits for bytes without holding
// a buffer. It knows neither sessions nor wires.
package socket
