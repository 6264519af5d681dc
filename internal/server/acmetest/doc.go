// Package acmetest lets a server get its certificates from pebble, the test authority of
// Let's Encrypt: pebble asks for proof and looks at it, as the real one would.
//
// It has tests only, and is a module of its own, so that pebble is nobody else's
// dependency. `make test` runs it. Pebble's own goroutines never end, so that those of
// these tests are not counted.
package acmetest
