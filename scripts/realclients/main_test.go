package realclients

import (
	"os"
	"testing"
)

// TestMain builds the server as its users do, whatever flags these tests were built with: under the
// race detector the log and the banner come in another order than on the pages.
func TestMain(m *testing.M) {
	os.Unsetenv("GOFLAGS")
	os.Exit(m.Run())
}
