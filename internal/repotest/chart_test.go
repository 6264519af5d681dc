package repotest

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// This file checks what the Helm chart has in common with the program. The chart's own tests are in a
// module of their own, which `make release-check` runs.

// TestChartHasTheOptions: the value "config" of the chart takes each option of the program, or the
// schema says why it does not.
func TestChartHasTheOptions(t *testing.T) {
	var schema struct {
		Properties struct {
			Config struct {
				Properties    map[string]any
				SetByTheChart map[string]string `json:"x-set-by-the-chart"`
			}
		}
	}
	if err := json.Unmarshal([]byte(read(t, "packaging/chart/boreas/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	c := schema.Properties.Config
	used := map[string]bool{}
	for _, o := range config.Options() {
		_, takes := c.Properties[o.Name]
		used[o.Name] = takes
		for pattern := range c.SetByTheChart {
			if prefix, star := strings.CutSuffix(pattern, "*"); pattern == o.Name || star && strings.HasPrefix(o.Name, prefix) {
				used[pattern], used[o.Name] = true, true
				if takes {
					t.Errorf("packaging/chart/boreas/values.schema.json has the option %s in both lists", o.Name)
				}
			}
		}
		if !used[o.Name] {
			t.Errorf("packaging/chart/boreas/values.schema.json does not have the option %s: run `go test -run TestSchemaHasTheOptions -update` in packaging/chart/charttest, "+
				"or name it in x-set-by-the-chart with the reason", o.Name)
		}
	}
	for name := range c.Properties {
		if !used[name] {
			t.Errorf("packaging/chart/boreas/values.schema.json has the option %s, which the program does not have", name)
		}
	}
	for pattern := range c.SetByTheChart {
		if !used[pattern] {
			t.Errorf("packaging/chart/boreas/values.schema.json names %s in x-set-by-the-chart, and the program has no such option", pattern)
		}
	}
}

// TestVersionsOfTheImage: the chart, the files for Compose and docs/containers.md name the image of the same version: that of
// the latest release, or of the next one if there is none.
func TestVersionsOfTheImage(t *testing.T) {
	const version = `([0-9]+\.[0-9]+\.[0-9]+)`
	want := ""
	if m := regexp.MustCompile(`(?m)^## \[` + version + `\]`).FindStringSubmatch(read(t, "CHANGELOG.md")); m != nil && !strings.HasPrefix(m[1], "1.") {
		want = m[1]
	}
	for file, pattern := range map[string]string{
		"packaging/chart/boreas/Chart.yaml":      `(?m)^(?:version|appVersion): "?` + version,
		"packaging/compose/compose.yaml":         `boreas:\$\{TAG:-` + version,
		"packaging/compose/compose-cluster.yaml": `boreas:\$\{TAG:-` + version,
		"docs/containers.md":                     `boreas:` + version,
	} {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, file), -1)
		if len(found) == 0 {
			t.Errorf("%s names no version", file)
		}
		for _, m := range found {
			if want == "" {
				want = m[1]
			}
			if m[1] != want {
				t.Errorf("%s names the version %s, and CHANGELOG.md or another file %s", file, m[1], want)
			}
		}
	}
}
