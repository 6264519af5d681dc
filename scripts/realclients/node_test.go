//go:build unix

package realclients

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestNode runs ws.test.mjs, which starts its own servers from the binary.
func TestNode(t *testing.T) { node(t, ".", "ws.test.mjs") }

// TestDeflate runs deflate.test.mjs, with the npm package ws, with Python's websockets and with Chromium.
func TestDeflate(t *testing.T) { node(t, ".", "deflate.test.mjs") }

// TestEventSource runs events.test.mjs, with the npm package eventsource and with
// Chromium's own EventSource.
func TestEventSource(t *testing.T) { node(t, ".", "events.test.mjs") }

// TestRefusedInNode runs refused.test.mjs, with the npm package ws and with Chromium.
func TestRefusedInNode(t *testing.T) { node(t, ".", "refused.test.mjs") }

// TestPage runs ui.test.mjs, which uses the operator's page with Chromium.
func TestPage(t *testing.T) { node(t, ".", "ui.test.mjs") }

// TestPageLarge runs uilarge.test.mjs, which takes minutes. UI_LARGE also makes TestPage use a longer
// history.
func TestPageLarge(t *testing.T) {
	if os.Getenv("UI_LARGE") == "" {
		t.Skip("UI_LARGE is not set")
	}
	node(t, ".", "uilarge.test.mjs")
}

// TestExamples runs examples.test.mjs, which visits the pages of the examples with
// Chromium.
func TestExamples(t *testing.T) {
	t.Setenv("TEST_EXAMPLES", filepath.Dir(builtServer(t)))
	node(t, ".", "examples.test.mjs")
}

// TestNodeBackend runs nodebackend.test.mjs, which uses examples/node-backend with Chromium.
func TestNodeBackend(t *testing.T) { node(t, ".", "nodebackend.test.mjs") }

// TestLLMStream runs llm.test.mjs, which uses examples/llm-stream with Chromium.
func TestLLMStream(t *testing.T) { node(t, ".", "llm.test.mjs") }

// TestJS runs the tests of the JavaScript client. Those that need a server start their own from the
// binary.
func TestJS(t *testing.T) {
	tests, err := filepath.Glob("../../js/test/*.test.mjs")
	if err != nil || len(tests) == 0 {
		t.Fatalf("found no test in js/test: %v", err)
	}
	for i, test := range tests {
		tests[i] = filepath.Join("test", filepath.Base(test))
	}
	node(t, "../../js", tests...)
}

// node runs test files in a folder with Node's test runner.
func node(t *testing.T, folder string, tests ...string) {
	t.Helper()
	run := exec.Command("node", append([]string{"--test", "--test-timeout=300000"}, tests...)...)
	run.Dir = folder
	run.Env = append(run.Environ(), "TEST_BINARY="+builtServer(t))
	output, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	t.Logf("%s", output)
}

// builtServer returns the path of the server's binary. The binaries of the examples are beside it.
func builtServer(t *testing.T) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(binaries, "boreas")
}
