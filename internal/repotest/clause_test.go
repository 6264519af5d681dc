package repotest

import (
	"path"
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

// TestEveryClauseIsTested checks that a test names each clause of docs/protocol.md, and that no test
// names a clause that does not exist.
func TestEveryClauseIsTested(t *testing.T) {
	var clauses []string
	for _, m := range clauseNumber.FindAllStringSubmatch(read(t, "docs/protocol.md"), -1) {
		clauses = append(clauses, m[1])
	}
	if len(clauses) < 50 {
		t.Fatalf("found %d clauses: the search is wrong", len(clauses))
	}
	tested := map[string]string{}
	everywhere := func(string) bool { return true }
	isExample := func(name string) bool { return path.Ext(name) == ".json" && path.Base(path.Dir(name)) == "v2" }
	isTest := func(name string) bool {
		base := path.Base(name)
		return strings.HasSuffix(base, "_test.go") || strings.HasSuffix(base, ".test.mjs") || strings.HasPrefix(base, "test_") && strings.HasSuffix(base, ".py")
	}
	for _, name := range walk(t, everywhere, func(name string) bool { return isTest(name) || isExample(name) }) {
		pattern := namedClauses
		if isExample(name) {
			pattern = exampleClauses
		}
		text := read(t, name)
		if !strings.Contains(text, "lause") { // faster than the pattern
			continue
		}
		for _, m := range pattern.FindAllStringSubmatch(text, -1) {
			for _, n := range number.FindAllString(m[1], -1) {
				tested[n] = name
			}
		}
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
