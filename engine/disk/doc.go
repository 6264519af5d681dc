// Package disk is the engine that keeps publications in files of one directory. What it has
// acknowledged survives the end of the process and, unless [Options.SyncInterval] says otherwise, a
// loss of power.
//
// # Files
//
// All channels share one log. It consists of segments, files that are numbered without gaps from
// the oldest on. Only the last one is written; it is sealed when it is full or old. Then only a note
// in its header changes, and it may be replaced by one with the same live messages, sorted by channel. The
// notes say which segments exist, so that a file that somebody removed is missed. Beside a
// sealed segment there may be a hint, a file with what a scan of the segment would find. Hints make
// opening faster and are never needed.
//
// Each record has a checksum. Each batch of records begins with a mark that says how much of the
// log was on disk before. So a damaged byte is told apart from the torn end of the last batch: a
// record that does not check, before a position that a later mark calls written, is damage. The
// engine does not open then. The torn end was never acknowledged, and is cut off. An engine that is
// closed writes an end record, after which every damaged byte is found. Without one, damage to the
// last batch cannot be told apart from a torn end.
//
// With [Options.SyncInterval], the end that a loss of power takes may have been acknowledged. A mark
// says so before the first such message. The next process then begins another life of the log: each
// channel leaves out the offsets that its lost messages may have had, so that their
// positions are never valid again.
//
// # Publishing
//
// A message waits in the batch that is being gathered. One goroutine, the writer, writes a batch
// and waits for the disk while the next one gathers. Another one, the committer, then adds the
// messages to the logs of their channels, delivers them to the followers and releases the
// publishers. Nothing is delivered before it is on disk: otherwise, after a loss of power, a client
// could hold a position that is given to another message.
//
// When a batch cannot be written because the disk is full, the publishers of that batch and of the
// one that gathered meanwhile get [engine.ErrStorageFull], and nothing of both is kept. When the
// disk fails otherwise, they get [engine.ErrStorageFailed], and so does every later publisher: the
// system may have dropped what it could not write, and a second attempt would succeed without
// having written it.
//
// # Purging
//
// A purge is a record in the log: the messages of its channel before it are not kept. It is on disk before
// the messages are dropped from the index, so that they never come back. When a segment is rewritten,
// it keeps the last purge of each channel, unless it is the oldest segment: messages of that channel may
// be left in an earlier one. The bytes of purged messages stay on disk until their segment is removed or
// rewritten.
//
// # Channels without messages
//
// A channel whose messages have all been dropped continues after its last offset, also when its
// records have been removed from the disk or the channel has been forgotten. For that, the notes have
// one offset for all channels: the start. It is raised on disk before. After a restart, a channel
// without kept messages begins at the start, or after its last offset if records of it are left and
// that is higher. A client whose position is before gets [engine.ErrExpired], although it may have missed
// nothing. So the start is raised only when it must be.
//
// # Memory
//
// The newest publications are also in memory, and the rest costs a word each. [Options.Memory] is a
// ceiling for both and for the idempotency keys together.
package disk
