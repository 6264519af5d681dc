// Package wire holds the message forms of the Boreas wire: what a client's frame
// or a publisher's body means, and what a subscriber is sent. It knows bytes
// only, neither sessions nor sockets, so that server, clients and tests share it.
//
// The forms are those of Boreas 1.0 (2013), here called classic, and those of
// docs/protocol.md, whose names have a V2. Examples of all of them are in testdata, as
// JSON files that the tests read; those of testdata/v2 are for all clients too.
//
// # Why a scanner of its own
//
// All parsers look for a few known keys and otherwise need to know only that the
// text is JSON and where a value ends. The scanner in scan.go does that
// in one pass without allocating, several times faster than a general decoder,
// and without recursion: hostile nesting costs a bit a level, up to [MaxDepth].
// It takes what browsers and Python take (lone surrogate escapes, repeated keys,
// numbers of any size) and refuses what browsers refuse (NaN, Infinity, control
// characters in strings). Fuzz tests hold it against encoding/json.
package wire
