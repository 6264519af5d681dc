//go:build unix

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRootDoesNotWriteForAnotherUser runs the commands that write to a data_dir as root, in a directory
// of another user.
func TestRootDoesNotWriteForAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory to another user")
	}
	dir := dataDir(t)
	const nobody = 54321 // an ID without a name
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	}); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"key new n", "key list", "data repair", "data new-epoch"} {
		got := started{args: command + " --data-dir=" + dir}.run(t)
		if got.Exit != 2 || !strings.Contains(got.Stderr, dir+": it belongs to the user #54321, ") {
			t.Errorf("%s: %+v", command, got)
		}
	}
	if got := (started{args: "data check --data-dir=" + dir}).run(t); got.Exit != 0 {
		t.Errorf("data check, which only reads: %+v", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "auth.jsonl")); err == nil {
		t.Error("a file was made")
	}
}
