package repotest

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folder is the root folder of this module, and root its files. All names in this package are
// slashed paths in it.
const folder = "../.."

var root = os.DirFS(folder)

// files returns the files of this module with the extension, without those of nested modules:
// these have rules of their own.
func files(t *testing.T, extension string) []string {
	t.Helper()
	return walk(t, func(dir string) bool {
		_, err := fs.Stat(root, path.Join(dir, "go.mod"))
		return err != nil && path.Base(dir) != "testdata"
	}, func(name string) bool { return path.Ext(name) == extension })
}

// walk returns the files that want accepts, in all folders that enter accepts. It skips hidden
// folders and node_modules.
func walk(t *testing.T, enter, want func(name string) bool) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch base := entry.Name(); {
		case err != nil:
			return err
		case !entry.IsDir():
			if want(name) {
				found = append(found, name)
			}
		case name == ".":
		case strings.HasPrefix(base, "."), base == "node_modules", !enter(name):
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := fs.ReadFile(root, file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
