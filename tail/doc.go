// Package tail shows operators what happens on a server, while it happens: messages, sessions that
// begin and end, refusals, gaps, presence.
//
// The hub and other parts of the server add events to a [Log]. A [Watcher] receives those that its
// [Filter] selects, beginning with the newest of each kind that the log has kept. A watcher never
// slows down the server: what does not fit into its queue is left out and counted.
//
// Messages are added only while somebody watches, so that publishing costs one atomic load
// otherwise.
package tail
