// Package realclients tests the server with clients that others wrote: curl,
// wsdump, the npm packages ws and eventsource, and Chromium, which also visits the
// pages of the examples; and with nginx between. It also runs the tests of the Python
// client. It has tests only.
//
// They need programs that Go does not bring. `make test` installs those and sets
// TEST_REAL_CLIENTS=1, with which a missing one is a failure. Without it, as in
// a plain `go test ./...`, the package is left out if one is missing: the line
// of the package then ends in "[no tests to run]", and -v tells what is missing.
package realclients
