//go:build unix

package realclients

import (
	"os"
	"testing"
)

// The tests in this file check the packages of the clients, and the examples that need other
// packages. `make clients-check` installs what they need.

// TestPackedJS runs packed/js.test.mjs: the npm package, installed and bundled.
func TestPackedJS(t *testing.T) { packed(t, "js.test.mjs") }

// packed runs a test file in packed with Node's test runner.
func packed(t *testing.T, test string) {
	t.Helper()
	if os.Getenv("TEST_CLIENT_PACKAGES") == "" {
		t.Skip("TEST_CLIENT_PACKAGES is not set; `make clients-check` sets it")
	}
	node(t, "packed", test)
}
