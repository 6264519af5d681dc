// Package protocol2 translates between the hub and the messages of protocol 2
// (docs/protocol.md). It is common to all transports of that protocol.
package protocol2
