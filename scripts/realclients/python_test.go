//go:build unix

package realclients

import (
	"os/exec"
	"testing"
)

// TestPython runs the tests of the Python client, some of them with a server.
func TestPython(t *testing.T) {
	s := newSiteWith(t, "")
	python := exec.Command("python3", "-B", "-W", "error", "-m", "unittest")
	python.Dir = "../../clients/python"
	python.Env = append(python.Environ(), "BOREAS_TEST_API=http://"+s.api, "BOREAS_TEST_WS=http://"+s.ws) // the latter also serves events
	output, err := python.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, output)
	}
	t.Logf("%s", output)
	s.server.interrupt()
	s.server.stopped()
}
