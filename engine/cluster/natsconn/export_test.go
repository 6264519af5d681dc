package natsconn

import "testing"

// SetMinVersion changes the oldest version that is accepted, until the end of the test.
func SetMinVersion(t *testing.T, major, minor int) {
	before := MinVersion
	MinVersion = [2]int{major, minor}
	t.Cleanup(func() { MinVersion = before })
}
