// Package deflate compresses single messages in the format of RFC 1951, and decompresses them.
//
// A message may refer to an earlier one, its dictionary. No state exists between two calls, so that connections need
// no compressor of their own.
package deflate

// Tail is how the result of [Append] ends: the last four bytes of an empty stored block. A WebSocket message
// leaves them out (RFC 7692, section 7.2.1).
const Tail = "\x00\x00\xff\xff"
