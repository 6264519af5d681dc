package repotest

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestComparisonNamesItsSources: each row of docs/comparison.md that says something about another project links to a page of that project.
func TestComparisonNamesItsSources(t *testing.T) {
	const file = "docs/comparison.md"
	projects := map[string][]string{ // the sites of each project
		"Centrifugo":     {"https://centrifugal.dev/docs/", "https://github.com/centrifugal/"},
		"Mercure":        {"https://github.com/dunglas/mercure/"},
		"NATS":           {"https://docs.nats.io/"},
		"Soketi":         {"https://github.com/soketi/docs", "https://www.npmjs.com/package/@soketi/soketi"},
		"Laravel Reverb": {"https://laravel.com/docs/", "https://packagist.org/packages/laravel/reverb"},
		"Socket.IO":      {"https://socket.io/docs/v4/", "https://www.npmjs.com/package/socket.io"},
	}
	text := read(t, file)
	if !strings.Contains(text, "\n## When not to use Boreas\n") {
		t.Errorf("%s does not say when not to use Boreas", file)
	}
	check := func(project, row string) {
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		links := markdownLink.FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(cells) != 4 || len(links) == 0 {
			t.Errorf("%s: the row has %d cells and %d sources: %s", file, len(cells), len(links), row)
		}
		for _, match := range links {
			if !slices.ContainsFunc(projects[project], func(site string) bool { return strings.HasPrefix(match[1], site) }) {
				t.Errorf("%s: %s is not a page of %s", file, match[1], project)
			}
		}
	}
	body := regexp.MustCompile(`(?m)^\| [^-].*\|$`)
	head, sections, _ := strings.Cut(text, "\n## ")
	versions := body.FindAllString(head, -1)[1:] // without the header
	if len(versions) != len(projects) {
		t.Errorf("%s has the versions of %d projects, want %d", file, len(versions), len(projects))
	}
	for _, row := range versions {
		name, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		check(name, row)
	}
	for project := range projects {
		_, section, found := strings.Cut("\n## "+sections, "\n## "+project+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		rows := body.FindAllString(section, -1)
		if !found || len(rows) < 7 {
			t.Errorf("%s: the section %s has %d rows", file, project, len(rows))
			continue
		}
		for _, row := range rows {
			if strings.HasSuffix(row, "| source |") {
				continue // the header
			}
			check(project, row)
		}
	}
}
