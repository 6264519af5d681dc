// Package wire encodes and decodes the messages of Boreas: it parses clients' frames and
// publishers' bodies, and appends the messages for subscribers. It knows only bytes, not sessions
// or sockets, so the server, the clients and the tests share it.
//
// There are two forms. The classic form is that of Boreas 1.0 (2013). The other is that of
// docs/protocol.md; its names contain V2. The JSON files in testdata have examples of all messages,
// and the tests read them. The files in testdata/v2 are also meant for tests of clients.
//
// # Why a custom scanner
//
// All parsers look for a few known keys. Beyond that they only check that the text is JSON, and
// find where a value ends. The scanner in scan.go does this in one pass without allocations,
// several times faster than a general decoder. It does not recurse, so hostile nesting costs one
// bit per level, up to [MaxDepth]. It accepts what browsers and Python accept: lone surrogate
// escapes, repeated keys and numbers of any size. It rejects what browsers reject: NaN, Infinity
// and control characters in strings. Fuzz tests compare it with encoding/json.
package wire
