// Package engine is the contract between the hub and the store of its channels.
//
// An [Engine] keeps a log of publications for each channel, and delivers new publications to the
// hub of this process. Package memory below it is the engine that keeps everything in memory. An
// engine may have optional abilities, which the hub finds by type assertion: [Batcher],
// [Immediate], [Peeker], [Punctual], [Readier], [Lister], [Counter], [Purger] and [Stater].
//
// The comment of [Engine] has the rules of the contract. Test a new engine with
// [github.com/boreas-pubsub/boreas/v2/boreastest.TestEngine], one with a disk also with
// [github.com/boreas-pubsub/boreas/v2/boreastest.TestDurableEngine], and one whose store several
// processes use also with [github.com/boreas-pubsub/boreas/v2/boreastest.TestSharedEngine].
package engine
