package repotest

import (
	"encoding/json"
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
