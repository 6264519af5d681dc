package repotest

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/site"
	"github.com/boreas-pubsub/boreas/v2/internal/testca"
)

// This file compares the documents with the code.

// TestTablesInProseAreWhole: a table starts with a header and its line of dashes, and each row has the same number of cells. A row after an
// empty line is shown as text.
func TestTablesInProseAreWhole(t *testing.T) {
	dashes := regexp.MustCompile(`^\|( *:?-+:? *\|)+$`)
	code := regexp.MustCompile("`[^`]*`")
	cells := func(row string) int {
		return strings.Count(strings.ReplaceAll(code.ReplaceAllString(row, ""), `\|`, ""), "|")
	}
	for _, file := range files(t, ".md") {
		lines := strings.Split(markdownFence.ReplaceAllStringFunc(read(t, file), func(fence string) string {
			return strings.Repeat("\n", strings.Count(fence, "\n")) // line numbers stay the same
		}), "\n")
		for i, line := range lines {
			switch isRow := strings.HasPrefix(line, "|"); {
			case isRow && !strings.HasPrefix(lines[i-1], "|") && !dashes.MatchString(lines[i+1]):
				t.Errorf("%s:%d: a table begins here without a header", file, i+1)
			case isRow && strings.HasPrefix(lines[i-1], "|") && cells(line) != cells(lines[i-1]):
				t.Errorf("%s:%d: %d cells follow %d", file, i+1, cells(line)-1, cells(lines[i-1])-1)
			}
		}
	}
}

// TestIndexListsEveryDocument: docs/index.md links to each document beside it, and README.md to the index.
func TestIndexListsEveryDocument(t *testing.T) {
	const index = "docs/index.md"
	for _, file := range files(t, ".md") {
		name := path.Base(file)
		if path.Dir(file) == "docs" && file != index && !strings.Contains(read(t, index), "]("+name) {
			t.Errorf("%s does not link to %s", index, name)
		}
	}
	if !strings.Contains(read(t, "README.md"), "]("+index+")") {
		t.Errorf("README.md does not link to %s", index)
	}
}

// TestReadmeNamesEveryPackage: the table of folders in README.md has a row for each folder with Go code, or for one above it.
// Every folder in the table exists.
func TestReadmeNamesEveryPackage(t *testing.T) {
	named := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(read(t, "README.md"), -1) {
		for _, match := range codeSpan.FindAllStringSubmatch(row[1], -1) {
			folder := match[1]
			if named[folder] {
				t.Errorf("README.md names the folder %s twice", folder)
			}
			named[folder] = true
			if _, err := fs.Stat(root, folder); err != nil {
				t.Errorf("README.md names the folder %s, which does not exist", folder)
			}
		}
	}
	for dir := range packages(t) {
		above := dir
		for above != "." && !named[above] {
			above = path.Dir(above)
		}
		if above == "." && dir != "." || !named["."] {
			t.Errorf("README.md does not name the folder %s in its table", dir)
		}
	}
}

// documentedOption is a row of a table of options: its name and its default.
var documentedOption = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (?:`(.*?)`)? ?\\|")

func TestEveryOptionIsDocumented(t *testing.T) {
	var want, got []string
	for _, o := range config.Options() {
		want = append(want, fmt.Sprintf("%s, by default %q", o.Name, o.Default))
	}
	for _, row := range documentedOption.FindAllStringSubmatch(read(t, "docs/configuration.md"), -1) {
		if row[1] == "no_tokens" {
			continue // a provider
		}
		got = append(got, fmt.Sprintf("%s, by default %q", row[1], row[2]))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/configuration.md differs from the table of options (-table +page):\n%s", diff)
	}
}

var (
	documentedMetric = regexp.MustCompile("(?m)^\\| `(boreas_[a-z_]+)` \\| ([a-z]+) \\|")
	servedMetric     = regexp.MustCompile(`(?m)^# TYPE (boreas_[a-z_]+) ([a-z]+)$`)
)

func TestEveryMetricIsDocumented(t *testing.T) {
	served := rows(servedMetric, ofServer(t, "/metrics", false)+ofServer(t, "/metrics", true))
	diff := cmp.Diff(slices.Compact(served), rows(documentedMetric, read(t, "docs/operations.md")))
	if diff != "" {
		t.Errorf("docs/operations.md differs from /metrics (-served +page):\n%s", diff)
	}
}

// rows returns the matches of the expression's two groups in the text, sorted.
func rows(expression *regexp.Regexp, text string) []string {
	var found []string
	for _, match := range expression.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1]+", a "+match[2])
	}
	slices.Sort(found)
	return found
}

// ofServer returns a response of a server's API. Subscribers use TLS, and messages are on disk or on
// NATS; each of them has its own metrics.
func ofServer(t *testing.T, path string, clustered bool) (body string) {
	t.Helper()
	s := site.New(t, site.Options{NoKey: true, Change: func(c *config.Config) {
		c.JWTKeys, c.JWTIssuer, c.JWTAudience, c.AuthURL, c.Rules = "", "", "", "", nil
		c.Engine, c.DataDir = config.EngineDisk, t.TempDir()
		if clustered {
			c.Engine, c.Node, c.NATSReplicas, c.ClusterHistory = natstest.Start(t).ClientURL(), "n1", 1, 64<<20
		}
		var err error
		if c.WSTLSCert, c.WSTLSKey, err = testca.New().Issue("localhost", time.Hour).Write(t.TempDir()); err != nil {
			t.Fatal(err)
		}
	}})
	s.Must("GET", path, nil, &body)
	return body
}
