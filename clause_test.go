package boreas_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	clauseNumber = regexp.MustCompile(`(?m)^- \*\*(\d+\.\d+)\*\* `)

	// A comment of a test: "clause 4.7", "clauses 4.7, 4.8 and 5.1", also over two lines.
	namedClauses = regexp.MustCompile(`(?i)clauses?:? ((?:\d+\.\d+(?:,? and |,\s*(?://|#|\*)?\s*|))+)`)
	number       = regexp.MustCompile(`\d+\.\d+`)

	// The examples of the wire, which tests of all clients read.
	exampleClauses = regexp.MustCompile(`"clause": "([^"]*)"`)
)

// TestEveryClauseIsTested finds each clause of docs/protocol.md in a test, and no test
// of a clause that there is not.
func TestEveryClauseIsTested(t *testing.T) {
	var clauses []string
	for _, m := range clauseNumber.FindAllStringSubmatch(read(t, "docs/protocol.md"), -1) {
		clauses = append(clauses, m[1])
	}
	if len(clauses) < 50 {
		t.Fatalf("found %d clauses: the search is wrong", len(clauses))
	}
	tested := map[string]string{}
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".") && name != "." {
				return fs.SkipDir
			}
			return nil
		}
		base := filepath.Base(name)
		isTest := strings.HasSuffix(base, "_test.go") || strings.HasSuffix(base, ".test.mjs") || strings.HasPrefix(base, "test_") && strings.HasSuffix(base, ".py")
		isExample := strings.HasSuffix(base, ".json") && filepath.Base(filepath.Dir(name)) == "v2"
		if !isTest && !isExample {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		pattern := namedClauses
		if isExample {
			pattern = exampleClauses
		}
		for _, m := range pattern.FindAllStringSubmatch(string(b), -1) {
			for _, n := range number.FindAllString(m[1], -1) {
				tested[n] = name
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clauses {
		if tested[c] == "" {
			t.Errorf("clause %s of docs/protocol.md is named by no test", c)
		}
	}
	for c, file := range tested {
		if !slices.Contains(clauses, c) {
			t.Errorf("%s names clause %s, which docs/protocol.md does not have", file, c)
		}
	}
}
