// Package realclients tests the server with other people's clients: curl, wsdump, the npm packages
// ws and eventsource, and Chromium, which also visits the pages of the examples. Some of them
// connect through nginx. It also runs the tests of the Python client. It contains only tests.
//
// The tests need programs that Go does not include. `make test` installs them and sets
// TEST_REAL_CLIENTS=1, which makes a missing program a failure. Without it, as in a plain `go test
// ./...`, the package is skipped if a program is missing. The package's line then ends in "[no
// tests to run]", and -v prints what is missing.
package realclients
