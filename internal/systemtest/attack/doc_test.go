package attack

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocumentation compares the list in the documentation of the package with the attacks
// that there are. A failure shows what the list has to be.
func TestDocumentation(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(source)) {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "//"), "\n")
		if entry, ok := strings.CutPrefix(line, "   - "); ok {
			got = append(got, entry)
		} else if more, ok := strings.CutPrefix(line, "     "); ok && len(got) > 0 {
			got[len(got)-1] += " " + more
		}
	}
	var want []string
	for _, g := range groups {
		var names []string
		for _, a := range g.attacks {
			names = append(names, a.name)
		}
		want = append(want, fmt.Sprintf("%s: %s.", g.name, strings.Join(names, "; ")))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("doc.go, -want +got:\n%s", diff)
	}
}
