// Package socket reads and writes the connections of clients, for all transports. Writes never
// wait, as the hub requires. Waiting for bytes needs no buffer. The package knows nothing of
// sessions and protocols.
package socket
