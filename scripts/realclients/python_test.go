//go:build unix

package realclients

import (
	"os/exec"
	"testing"
)

// TestPython runs the tests of the Python client, some of them with a server.
func TestPython(t *testing.T) { testPython(t, "../../clients/python", "python3", "PYTHONPATH=src") }

// testPython runs the tests of the Python client in a folder.
func testPython(t *testing.T, dir, python string, environment ...string) {
	t.Helper()
	s := newSiteWith(t, "")
	cmd := exec.Command(python, "-B", "-W", "error", "-m", "unittest")
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "TEST_BOREAS_API=http://"+s.api, "TEST_BOREAS_WS=http://"+s.ws) // the latter also serves events
	cmd.Env = append(cmd.Env, environment...)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, output)
	}
	t.Logf("%s", output)
	s.server.interrupt()
	s.server.stopped()
}
