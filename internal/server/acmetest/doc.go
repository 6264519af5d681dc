// Package acmetest tests how a server obtains its certificates from pebble, the test authority of
// Let's Encrypt. Pebble validates names as the real authority does.
//
// The package has only tests. It is a separate module, so that the main module does not depend on
// pebble. `make test` runs it. Its tests do not check for leaked goroutines, because those of
// pebble never end.
package acmetest
