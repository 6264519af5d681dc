//go:build unix

package realclients

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestNode runs ws.test.mjs, which starts servers of its own from the binary.
func TestNode(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "boreas")
	build := exec.Command("go", "build", "-o", binary, "./cmd/boreas")
	build.Dir = "../.."
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	node := exec.Command("node", "--test", "ws.test.mjs")
	node.Env = append(node.Environ(), "TEST_BINARY="+binary)
	output, err := node.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	t.Logf("%s", output)
}
