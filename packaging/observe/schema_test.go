//go:build release

package main

import (
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	form "github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// TestDashboardHasGrafanasForm decodes the dashboard with Grafana's own description of its form: each field exists and has the right type,
// also in the options of each panel and in each query. The packages take long to compile, so `make observe-check` runs this test.
func TestDashboardHasGrafanasForm(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	var d form.Dashboard
	if err := d.UnmarshalJSONStrict([]byte(read(t, dashboardFile))); err != nil && err.Error() != "" { // a list of errors, which is empty but not nil
		t.Errorf("%s: %v", dashboardFile, err)
	}
	if err := d.Validate(); err != nil {
		t.Errorf("%s: %v", dashboardFile, err)
	}
}
