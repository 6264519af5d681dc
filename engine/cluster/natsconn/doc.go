// Package natsconn connects a node to NATS servers with JetStream, and names what Boreas keeps
// there. The engine, the store of tokens and the nodes' talk to each other use it, each with
// connections of its own: a long read of one never delays another.
//
// # Names
//
// All names begin with [Options.Prefix], so that several clusters can share the servers. With the
// prefix "boreas" the stream of messages is BOREAS, and a channel's subject is boreas.ch.NAME. A
// channel's name is one token of the subject; see [Encode].
package natsconn
