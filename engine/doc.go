// Package engine is the contract between the hub and the store of its channels.
//
// An [Engine] keeps a log of publications for each channel and delivers new publications to the
// hub of this process. Package memory below it is the engine that keeps everything in memory.
// An engine may have further abilities, which the hub finds by type assertion: [Stater] and
// [Lister].
//
// The rules of the contract are in the comment of [Engine]. Test a new engine with
// [github.com/boreas-pubsub/boreas/boreastest.TestEngine].
package engine
