// Package channellog is the part of the engines that is in memory: the logs of all channels, with
// their followers, their idempotency keys, their retention, and a ceiling for the memory of all.
//
// A [Table] has a [Log] for each channel. A log without a [Store] has all its kept publications in
// memory. A log with a store keeps them there, and has copies of the newest in memory.
//
// A message enters a log in two steps. [Log.Reserve] checks its key and gives it the next offset.
// [Table.Commit] makes it the log's head and delivers it to the followers. Between the steps an
// engine with a store writes the message; if that fails, [Table.Cancel] takes back all offsets
// after the head. Without a store [Table.Publish] takes both steps at once.
package channellog
