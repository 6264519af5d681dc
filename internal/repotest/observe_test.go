package repotest

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// This file compares packaging/observe and the runbook with the code. The folder is a module of its own, whose tests parse the expressions.

const (
	seriesFile    = "packaging/observe/metrics.txt"
	alertsFile    = "packaging/observe/alerts.yml"
	recordingFile = "packaging/observe/recording.yml"
	runbookFile   = "docs/runbook.md"
)

var updateSeries = flag.Bool("update-series", false, "write "+seriesFile)

const seriesHead = `# The time series of a Boreas server, with messages on disk, on NATS and with TLS. Labels whose values are only
# known at run time have none here. To update the file: go test ./internal/repotest -run TestSeriesAreListed -update-series
`

// TestSeriesAreListed: the file has the names and labels of all series that servers report. The tests of the dashboard and the rules read it.
func TestSeriesAreListed(t *testing.T) {
	served := ofServer(t, "/metrics", false) + ofServer(t, "/metrics", true)
	sample := regexp.MustCompile(`(?m)^(boreas_[a-z_]+(?:\{.*\})?) \S+$`)
	atRunTime := regexp.MustCompile(`(route|status|le|port)="[^"]*"`) // a server without TLS for its API has one port less
	var names []string
	for _, match := range sample.FindAllStringSubmatch(served, -1) {
		names = append(names, atRunTime.ReplaceAllString(match[1], `$1=""`))
	}
	slices.Sort(names)
	got := seriesHead + strings.Join(slices.Compact(names), "\n") + "\n"
	if *updateSeries {
		if err := os.WriteFile(filepath.Join(folder, seriesFile), []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(got, read(t, seriesFile)); diff != "" {
		t.Errorf("%s differs from /metrics (-served +file); -update-series writes it:\n%s", seriesFile, diff)
	}
	if runtime.GOOS != "linux" {
		return // other systems have fewer metrics of the process
	}
	found := 0
	for _, file := range []string{alertsFile, recordingFile, "packaging/observe/panels.go"} {
		for _, name := range regexp.MustCompile(`\b(?:go|process)_[a-z_]{5,}`).FindAllString(read(t, file), -1) {
			found++
			if !strings.Contains(served, "\n"+name+" ") && !strings.Contains(served, "\n"+name+"{") {
				t.Errorf("%s uses the metric %s, which the server does not report", file, name)
			}
		}
	}
	if found == 0 {
		t.Error("found no metric of the process: the search is wrong")
	}
}

// TestRunbookHasEveryAlert: docs/runbook.md has one section for each alert, in the order of the file, with the parts that a reader needs at night.
func TestRunbookHasEveryAlert(t *testing.T) {
	var alerts, sections []string
	for _, match := range regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(read(t, alertsFile), -1) {
		alerts = append(alerts, match[1])
	}
	text := read(t, runbookFile)
	for _, match := range regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatch(text, -1) {
		sections = append(sections, match[1])
	}
	if diff := cmp.Diff(alerts, sections); diff != "" {
		t.Errorf("%s differs from %s (-alerts +sections):\n%s", runbookFile, alertsFile, diff)
	}
	for _, section := range strings.Split(text, "\n### ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		for _, part := range []string{"**Users:**", "**Look:**", "**Causes:**", "**Do:**", "**Escalate:**"} {
			if strings.Count(body, part) != 1 {
				t.Errorf("%s: the section %s does not have the part %s once", runbookFile, name, part)
			}
		}
	}
}

// TestRunbookNamesWhatExists: the metrics and the commands in docs/runbook.md exist.
func TestRunbookNamesWhatExists(t *testing.T) {
	text := read(t, runbookFile)
	var commands []string
	for _, file := range files(t, ".go") {
		if strings.HasPrefix(file, "cmd/boreas/") {
			for _, match := range regexp.MustCompile(`\bName: +"([a-z-]+)"`).FindAllStringSubmatch(read(t, file), -1) {
				commands = append(commands, match[1])
			}
		}
	}
	named := regexp.MustCompile("(?:`|^)boreas ([a-z]+)(?: (status|check|repair|list|inspect|new-epoch|apply)\\b)?").FindAllStringSubmatch(text, -1)
	if len(named) < 10 {
		t.Fatalf("found %d commands in %s: the search is wrong", len(named), runbookFile)
	}
	for _, match := range named {
		for _, word := range match[1:] {
			if word != "" && !slices.Contains(commands, word) {
				t.Errorf("%s names the command `boreas %s`, which does not exist", runbookFile, match[1]+" "+match[2])
			}
		}
	}
	known := read(t, "docs/operations.md")
	for _, name := range regexp.MustCompile(`boreas_[a-z_]+`).FindAllString(text, -1) {
		if !strings.Contains(known, "| `"+name+"` |") {
			t.Errorf("%s names the metric %s, which does not exist", runbookFile, name)
		}
	}
}
