package boreas_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/internal/config"
)

// This file checks the prose against what it describes.

var (
	markdownLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	markdownHeading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	markdownFence   = regexp.MustCompile("(?ms)^```.*?^```$")
	notInAnchor     = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

func TestLinksInProseLeadSomewhere(t *testing.T) {
	links := 0
	for _, file := range files(t, ".md") {
		for _, match := range markdownLink.FindAllStringSubmatch(read(t, file), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			links++
			to := file
			if target != "" {
				to = path.Join(path.Dir(file), target)
			}
			if _, err := os.Stat(filepath.FromSlash(to)); err != nil {
				t.Errorf("%s links to %s, which does not exist", file, match[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, to)), anchor) {
				t.Errorf("%s links to %s: %s has no such heading", file, match[1], to)
			}
		}
	}
	if links == 0 {
		t.Error("found no link at all: the search is wrong")
	}
}

// anchors returns the names under which the headings of a Markdown text are linked.
func anchors(text string) []string {
	var names []string
	for _, match := range markdownHeading.FindAllStringSubmatch(markdownFence.ReplaceAllString(text, ""), -1) {
		name := notInAnchor.ReplaceAllString(strings.ToLower(match[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
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
