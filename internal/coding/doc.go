// Package coding implements the content codings of HTTP (RFC 9110, section 8.4): it chooses one for
// a response, and encodes and decodes bodies. It treats headers and bodies as hostile: each call has
// a bound for its result, and as many calls run at once as there are processors.
package coding

import "runtime"

// A Coding is a content coding, by its name in a header.
type Coding string

// The codings. Deflate is the format of zlib (RFC 9110, section 8.4.1.2).
const (
	Identity Coding = "identity"
	Gzip     Coding = "gzip"
	Deflate  Coding = "deflate"
)

// Decoded is the value of Accept-Encoding that lists what [Coding.Decode] reads.
const Decoded = string(Gzip + ", " + Deflate)

// slots bounds the number of coders in use, each of which has up to a megabyte of tables. A coder
// never waits for a client, so its slot is soon free.
var slots = make(chan struct{}, runtime.NumCPU())

func enter() { slots <- struct{}{} }
func leave() { <-slots }
