// Package clusterstore keeps the tokens, keys and revocations of all nodes of a cluster in a stream of
// NATS JetStream. A [Store] is the [auth.Store] of one node.
//
// # The stream
//
// With the prefix "boreas" the stream is BOREAS_AUTH. Three servers keep it, and a line counts when
// two of them have it. The stream refuses new messages when it is full, and never drops old ones.
//
//	boreas.auth.log.change      lines of Append
//	boreas.auth.log.note        lines of Note
//	boreas.auth.log.mark.NODE   proofs that a node is up to date; only the last one is kept
//	boreas.auth.log.compaction  the register of compaction; only the last one is kept
//	boreas.auth.lines.ID        the lines of one compaction
//	boreas.auth.changed         not stored: NATS sends here the header of each change that it has stored
//
// A position is a sequence of the stream. A new stream begins at the present time in microseconds, so
// no sequence is used twice, even if the stream is deleted and made again.
//
// # Append
//
// One Append is one message. If the lines do not fit into a message, it is an atomic batch of NATS. NATS
// stores it only if the last change is still the one that the authority has read. Notes are on another
// subject, so they cause no conflict. If the answer does not come, the store sends the message again
// for 12 seconds, which covers the election of a leader. If the first one was stored, NATS refuses
// the second one, and the store looks whether the change that is there is its own.
//
// # Replay
//
// The store asks the leader for the last change, and then reads all messages up to it from any
// server. A server may be behind: the store asks again until it has read that message. Each change
// names the change before it, so a missing one is noticed. Before it reads on, the store asks the leader
// for the last change that it has read: if the stream has lost its end and has grown since, it has
// another one there. For the same reason the store reads back the changes that it has appended.
//
// # Wait
//
// NATS tells each store about changes as soon as they are stored. Such a message may be lost. For this
// reason each store writes a mark every second and reads up to it. There is no consumer, so the loss of
// a server costs no more than the time until the connection is made again with another server.
//
// # Isolation
//
// A mark is stored by a majority of the servers. A node that has read its own mark has read all changes
// that were acknowledged before it sent the mark. If a node has read no mark that it sent in the last 10
// seconds, it may have missed a revocation. [Store.Current] then returns an error, and the authority
// refuses all tokens and API keys with auth_unavailable. Sessions that exist are not affected. An
// authority that cannot apply a line reads no more, so after 10 seconds it refuses tokens, too.
//
// # Compaction
//
// A compaction replaces the lines up to a position with the lines that the authority's state needs. It
// is due when as many lines were added as the last compaction has written, and 10,000 more. All nodes
// notice this at about the same time. The steps of a compaction are:
//
//  1. The node writes its claim to the register. NATS accepts it only if the register is still the one
//     that the node has read, so one node wins. The others wait until they see the result, or until
//     the claim is two minutes old.
//  2. The node deletes the lines of compactions that do not count.
//  3. It writes its lines as messages on a subject of their own.
//  4. It writes the register again, with the position and the number of lines. NATS accepts this only
//     if the node's claim is still there. From now on the lines count.
//  5. It deletes the changes before the last one up to the position, and the notes. The last change
//     stays, because Append needs its sequence.
//
// Until step 4 nothing has changed for readers. If the node crashes before step 4, the next compaction
// deletes its lines. If it crashes after step 4, the old changes remain until the next compaction, and
// nobody reads them. The lines that a compaction has replaced remain until the next one, so that a
// node that reads them meanwhile can finish.
//
// A node that has not read a change that was deleted notices it by the next change, or by the last one,
// which stays. It then returns [auth.ErrCompacted], and the authority reads everything again. The number
// of lines in the register shows whether they are complete.
//
// # Loss of the stream
//
// If the stream is deleted, or replaced by another one or an older copy, then every node that has read
// it refuses changes, and after 10 seconds tokens. It makes no new stream by itself: that would drop all
// revocations. An operator restores the stream, or restarts all nodes to begin with an empty stream.
package clusterstore
