package repotest

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSupportIsWhatIsTested compares the platforms in docs/support.md with the files that decide what is built and tested.
func TestSupportIsWhatIsTested(t *testing.T) {
	const file = "docs/support.md"
	statuses := []string{"tested in CI", "tested before a release", "built, not run", "not tested"}
	_, platforms, found := strings.Cut(read(t, file), "\n## Platforms\n")
	if !found {
		t.Fatalf("%s has no section Platforms", file)
	}
	tested := map[string][]string{} // the versions of each row by its first cell
	rows := 0
	for _, row := range regexp.MustCompile(`(?m)^\| (.*) \|$`).FindAllStringSubmatch(platforms, -1) {
		cells := strings.Split(strings.ReplaceAll(row[1], " | | ", " |  | "), " | ")
		if len(cells) != 3 || cells[2] == "status" || cells[2] == "---" {
			continue // the table of statuses, headers and their lines
		}
		rows++
		if !slices.Contains(statuses, cells[2]) {
			t.Errorf("%s: %q is not a status: %s", file, cells[2], row[0])
		}
		if strings.HasPrefix(cells[2], "tested") {
			tested[cells[0]] = append(tested[cells[0]], cells[1])
		}
		for _, status := range statuses {
			if !strings.Contains(platforms, "| "+status+" | ") {
				t.Errorf("%s does not define the status %q", file, status)
			}
		}
	}
	if rows < 20 {
		t.Fatalf("%s: found %d rows: the search is wrong", file, rows)
	}

	for _, target := range strings.Fields(match(t, "Makefile", `(?m)^TARGETS += (.*)$`)) {
		if !strings.Contains(platforms, "`"+target+"`") {
			t.Errorf("%s has no row for %s, which the Makefile builds", file, target)
		}
	}
	for name, want := range map[string]string{
		"Go": match(t, "go.mod", `(?m)^go (\d+\.\d+)`),
		"NATS inside of a node (`cluster_peers`)": match(t, "go.mod", `nats-server/v2 v(\S+)`),
		"NATS servers of your own":                match(t, "go.mod", `nats-server/v2 v(\S+)`),
		"Node with the JavaScript client":         match(t, "js/package.json", `"node": ">=(\d+)"`),
	} {
		if !slices.Contains(tested[name], want) {
			t.Errorf("%s: %s is tested with %q, want %s", file, name, tested[name], want)
		}
	}
	if oldest := match(t, "clients/python/pyproject.toml", `requires-python = ">=([\d.]+)"`); !strings.Contains(platforms, "| Python | "+oldest+" to ") {
		t.Errorf("%s does not begin with Python %s, the oldest that the package allows", file, oldest)
	}
	const chart = "packaging/chart/charttest/go.mod"
	helm, kubernetes := match(t, chart, `helm.sh/helm/v3 v(\d+\.\d+)`), match(t, chart, `k8s.io/api v0\.(\d+)`)
	if want := "Helm " + helm + " and decoded as objects of Kubernetes 1." + kubernetes; !strings.Contains(platforms, want) {
		t.Errorf("%s does not say that the chart is rendered with %s", file, want)
	}
	if promtool := "2.42"; !slices.Contains(tested["Prometheus, for the alerts"], "promtool "+promtool) || !strings.Contains(read(t, "packaging/observe/README.md"), promtool) {
		t.Errorf("%s and packaging/observe/README.md do not both name promtool %s", file, promtool)
	}
}

// match returns the first group of the expression in the file.
func match(t *testing.T, file, expression string) string {
	t.Helper()
	found := regexp.MustCompile(expression).FindStringSubmatch(read(t, file))
	if found == nil {
		t.Fatalf("%s does not match %s", file, expression)
	}
	return found[1]
}
