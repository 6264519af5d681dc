// Package cluster is the engine that several nodes share. It keeps publications in a stream of NATS
// JetStream, on a majority of its servers.
//
// # The stream
//
// All channels share one stream, and each has a subject. The offset of a publication is its sequence
// in the stream. So offsets of a channel increase with holes, and the head of a channel is the end
// of the stream.
//
// # The tail
//
// A node reads the stream once, from its start on, message by message, and never leaves one out.
// This is its tail. The tail puts each publication into the channel logs in memory and delivers it.
// [Engine.Follow] therefore asks nobody. A consumer on the servers feeds the tail. The consumer lives
// on one server; while it is silent although the stream has grown, the node reads the stream
// directly. Both go on where the tail is, so together they leave out nothing and repeat nothing.
//
// If the tail finds that messages are gone before it has read them, it drops what is in memory and
// resets all followers.
//
// # Publishing
//
// A message has an identifier, by which the servers recognise a repetition. So a node repeats it
// until it is acknowledged: through the loss of a server, and the election of a new leader. It is
// acknowledged when a majority of the servers has it and the tail of this node has seen it.
//
// # Reading
//
// The newest publications are in memory. What is older is read from the servers, a few readers at a
// time, and a rule says whether the answer is whole; see cold.go.
//
// # Purging
//
// A purge is a message of the stream. Everything of its channel before it is not returned any more; see
// purge.go.
//
// # The epoch
//
// A message in the stream, the marker, holds the epoch. A stream without a marker gets a new one. The
// nodes write the marker again before the stream drops it. If the stream has lost messages that a
// node has seen, that node writes a marker with a new epoch: the stream is shorter, has another
// message in place of one that the node has read, or was created again. When the tail of a node reads
// a new epoch, the node resets all followers.
//
// Epochs grow. If an older copy takes the place of the stream, its marker may have an earlier epoch than
// a node has seen. That node begins a new one, because the offsets after the copy were used before.
//
// # Isolation
//
// Each node publishes a beat into the stream every second. A node whose tail does not get its own
// beats has no majority: it is not ready, and after [IsolatedAfter] it is isolated. Then its sessions
// should go elsewhere.
package cluster
