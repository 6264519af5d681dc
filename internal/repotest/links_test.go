package repotest

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// This file follows the links between documents, also those of nested modules.

var (
	markdownLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	markdownHeading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	markdownFence   = regexp.MustCompile("(?ms)^```.*?^```$")
	notInAnchor     = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

	// ownAddress is the address of a file of this repository, with an anchor.
	ownAddress = regexp.MustCompile(`https://github\.com/boreas-pubsub/boreas/(?:blob|tree)/main/([\w./-]*\w)(?:#([\w-]+))?`)
)

// documents returns the Markdown files of the repository.
func documents(t *testing.T) []string {
	t.Helper()
	made := []string{"testdata", "dist", "build"}
	found := walk(t, func(dir string) bool { return !slices.Contains(made, path.Base(dir)) }, func(name string) bool { return path.Ext(name) == ".md" })
	if len(found) < 20 {
		t.Fatalf("found only the documents %v: the search is wrong", found)
	}
	return found
}

// A link is a link of a document to another file of the repository.
type link struct {
	text       string // as it is written
	to, anchor string
}

// linksOf returns the links of a document to files, and to its own headings.
func linksOf(t *testing.T, file string) []link {
	t.Helper()
	var links []link
	text := markdownFence.ReplaceAllString(read(t, file), "")
	for _, match := range markdownLink.FindAllStringSubmatch(text, -1) {
		target, anchor, _ := strings.Cut(match[1], "#")
		switch {
		case strings.Contains(target, ":"): // another site, or an address of mail
		case target == "":
			links = append(links, link{match[1], file, anchor})
		default:
			links = append(links, link{match[1], path.Join(path.Dir(file), target), anchor})
		}
	}
	return links
}

// headings looks up headings, and reads each document once.
type headings map[string][]string

// problem returns what is wrong with a link, or "".
func (h headings) problem(t *testing.T, l link) string {
	t.Helper()
	info, err := fs.Stat(root, l.to)
	switch {
	case err != nil:
		return "it does not exist"
	case l.anchor == "" || info.IsDir() || path.Ext(l.to) != ".md":
		return ""
	}
	if h[l.to] == nil {
		h[l.to] = anchors(read(t, l.to))
	}
	if !slices.Contains(h[l.to], l.anchor) {
		return "it has no such heading"
	}
	return ""
}

func TestLinksInProseLeadSomewhere(t *testing.T) {
	known, links := headings{}, 0
	for _, file := range documents(t) {
		for _, l := range linksOf(t, file) {
			links++
			if problem := known.problem(t, l); problem != "" {
				t.Errorf("%s links to %s: %s", file, l.text, problem)
			}
		}
	}
	if links < 100 {
		t.Errorf("found %d links: the search is wrong", links)
	}
}

// TestOwnAddressesLeadSomewhere: addresses of files of this repository, in code, rules and packages, are those of existing files and headings.
func TestOwnAddressesLeadSomewhere(t *testing.T) {
	kinds := []string{".md", ".go", ".yml", ".yaml", ".json", ".toml", ".js", ".ts", ".tsx", ".mjs", ".py", ".sh", ".service", ".txt"}
	made := []string{"testdata", "dist", "build"}
	known, found := headings{}, 0
	for _, file := range walk(t, func(dir string) bool { return !slices.Contains(made, path.Base(dir)) }, func(name string) bool { return slices.Contains(kinds, path.Ext(name)) }) {
		for _, match := range ownAddress.FindAllStringSubmatch(read(t, file), -1) {
			found++
			if problem := known.problem(t, link{match[0], match[1], match[2]}); problem != "" && file != "internal/repotest/links_test.go" {
				t.Errorf("%s has the address %s: %s", file, match[0], problem)
			}
		}
	}
	if found < 20 {
		t.Errorf("found %d addresses: the search is wrong", found)
	}
}

// TestEveryDocumentIsReachable follows links from README.md and docs/index.md. A link to a folder leads to its README.md.
func TestEveryDocumentIsReachable(t *testing.T) {
	reached := map[string]bool{}
	next := []string{"README.md", "docs/index.md"}
	for len(next) > 0 {
		file := next[0]
		next = next[1:]
		if reached[file] {
			continue
		}
		reached[file] = true
		for _, l := range linksOf(t, file) {
			switch info, err := fs.Stat(root, l.to); {
			case err != nil:
			case info.IsDir():
				if readme := path.Join(l.to, "README.md"); fileExists(readme) {
					next = append(next, readme)
				}
			case path.Ext(l.to) == ".md":
				next = append(next, l.to)
			}
		}
	}
	for _, file := range documents(t) {
		if !reached[file] {
			t.Errorf("no link from README.md or docs/index.md leads to %s, not even through other documents", file)
		}
	}
}

func fileExists(name string) bool {
	_, err := fs.Stat(root, name)
	return err == nil
}

// anchors returns the names under which the headings of a Markdown text are linked. A repeated heading gets a number.
func anchors(text string) []string {
	var names []string
	repeated := map[string]int{}
	for _, match := range markdownHeading.FindAllStringSubmatch(markdownFence.ReplaceAllString(text, ""), -1) {
		name := notInAnchor.ReplaceAllString(strings.ToLower(match[1]), "")
		name = strings.ReplaceAll(name, " ", "-")
		if n := repeated[name]; n > 0 {
			names = append(names, fmt.Sprintf("%s-%d", name, n))
		} else {
			names = append(names, name)
		}
		repeated[name]++
	}
	return names
}

func TestAnchors(t *testing.T) {
	got := anchors("# A `b` heading, twice\n```\n# no heading\n```\n## A b heading, twice\n### 9. Presence\n")
	want := []string{"a-b-heading-twice", "a-b-heading-twice-1", "9-presence"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
