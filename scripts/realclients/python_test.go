//go:build unix

package realclients

import (
	"os/exec"
	"strings"
	"testing"
)

// TestPython runs the tests of the Python client, some of them with a server.
func TestPython(t *testing.T) {
	server := start(t, "go run ./cmd/boreas", "BOREAS_API_PORT=0", "BOREAS_WS_PORT=0")
	var api, ws string
	for line := server.line(); line != "Running..."; line = server.line() {
		if _, address, found := strings.Cut(line, "API endpoint configured to listen on "); found {
			api = "http://" + address
		}
		if _, address, found := strings.Cut(line, "WebSocket endpoint configured to listen on "); found {
			ws = "http://" + address // this port also serves server-sent events
		}
	}
	python := exec.Command("python3", "-B", "-W", "error", "-m", "unittest")
	python.Dir = "../../clients/python"
	python.Env = append(python.Environ(), "BOREAS_TEST_API="+api, "BOREAS_TEST_WS="+ws)
	output, err := python.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, output)
	}
	t.Logf("%s", output)
	server.interrupt()
	server.stopped()
}
