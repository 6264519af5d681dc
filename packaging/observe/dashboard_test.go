package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// corePanels are the types of panels that the dashboard may use. All of them are part of Grafana 10 and later.
var corePanels = []string{"row", "stat", "timeseries"}

// storedPanel has the fields that Grafana needs in a panel.
type storedPanel struct {
	ID          int            `json:"id"`
	Type        string         `json:"type"`
	Title       string         `json:"title"`
	Description string         `json:"description"`
	GridPos     map[string]int `json:"gridPos"`
	Datasource  *struct{ Type, UID string }
	FieldConfig *struct{ Defaults map[string]any }
	Options     map[string]any
	Panels      []storedPanel
	Targets     []struct{ RefID, Expr, LegendFormat string }
}

type storedDashboard struct {
	UID, Title    string
	SchemaVersion int
	Time          struct{ From, To string }
	Panels        []storedPanel
	Annotations   struct{ List []struct{ Expr string } }
	Templating    struct {
		List []struct{ Name, Type, Definition string }
	}
}

// stored returns dashboard.json.
func stored(t *testing.T) storedDashboard {
	t.Helper()
	var d storedDashboard
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// expressions returns the expressions of the dashboard by the place that has them, with values for
// its variables.
func (d storedDashboard) expressions() map[string]string {
	found := map[string]string{}
	add := func(where, expr string) {
		found[where] = strings.NewReplacer("$__rate_interval", "5m", "$job", "a", "$cluster", "a", "$instance", "a").Replace(expr)
	}
	var visit func(panels []storedPanel)
	visit = func(panels []storedPanel) {
		for _, p := range panels {
			for _, target := range p.Targets {
				add(p.Title+", "+target.RefID, target.Expr)
			}
			visit(p.Panels)
		}
	}
	visit(d.Panels)
	for _, a := range d.Annotations.List {
		add("annotation", a.Expr)
	}
	for _, v := range d.Templating.List {
		if list, ok := strings.CutPrefix(v.Definition, "label_values("); ok {
			add("variable "+v.Name, list[:strings.LastIndex(list, ",")])
		}
	}
	return found
}

func TestDashboardIsGenerated(t *testing.T) {
	want, err := dashboard()
	if err != nil {
		t.Fatal(err)
	}
	if read(t, dashboardFile) != string(want) {
		t.Errorf("%s is not what panels.go describes: run `go run .` in this folder", dashboardFile)
	}
}

// TestGrafanaCanLoadTheDashboard checks the fields that Grafana needs, and that panels do not overlap.
func TestGrafanaCanLoadTheDashboard(t *testing.T) {
	d := stored(t)
	if d.UID == "" || d.Title == "" || d.Time.From == "" || d.Time.To == "" || d.SchemaVersion < 36 {
		t.Errorf("the dashboard needs a uid, a title, a time and the schema of Grafana 10: %q, %q, %v, %d", d.UID, d.Title, d.Time, d.SchemaVersion)
	}
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	if want := []string{"datasource", "job", "cluster", "instance"}; !slices.Equal(variables, want) {
		t.Errorf("the dashboard has the variables %q, not %q", variables, want)
	}
	ids, taken, titles := map[int]bool{}, map[[2]int]string{}, map[string]bool{}
	var check func(panels []storedPanel)
	check = func(panels []storedPanel) {
		for _, p := range panels {
			if ids[p.ID] || p.ID == 0 {
				t.Errorf("panel %q: the id %d is 0 or used twice", p.Title, p.ID)
			}
			if titles[p.Title] {
				t.Errorf("two panels have the title %q", p.Title)
			}
			ids[p.ID], titles[p.Title] = true, true
			if !slices.Contains(corePanels, p.Type) {
				t.Errorf("panel %q: the type %q is not one of %q", p.Title, p.Type, corePanels)
			}
			for x := p.GridPos["x"]; x < p.GridPos["x"]+p.GridPos["w"]; x++ {
				for y := p.GridPos["y"]; y < p.GridPos["y"]+p.GridPos["h"]; y++ {
					if other, ok := taken[[2]int{x, y}]; ok || x >= gridWidth {
						t.Fatalf("panel %q is outside of the grid or overlaps with %q", p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			check(p.Panels)
			if p.Type == "row" {
				continue
			}
			switch {
			case p.Datasource == nil || p.Datasource.UID != "${datasource}":
				t.Errorf("panel %q does not use the data source of the variable", p.Title)
			case p.FieldConfig == nil || p.FieldConfig.Defaults["unit"] == "" || p.Options == nil || len(p.Targets) == 0:
				t.Errorf("panel %q has no unit, no options or no query", p.Title)
			case !strings.HasSuffix(p.Description, "."):
				t.Errorf("panel %q has no description in sentences: %q", p.Title, p.Description)
			}
			for _, target := range p.Targets {
				if target.LegendFormat == "" {
					t.Errorf("panel %q: query %s has no legend", p.Title, target.RefID)
				}
			}
		}
	}
	check(d.Panels)
	if len(ids) < 40 {
		t.Errorf("the dashboard has only %d panels: the search is wrong", len(ids))
	}
}

// TestDescriptionsNameAlerts: an alert in the description of a panel exists.
func TestDescriptionsNameAlerts(t *testing.T) {
	var names []string
	for _, r := range rulesOf(t, alertsFile) {
		names = append(names, r.Alert)
	}
	found := 0
	for _, r := range rows {
		for _, p := range r.panels {
			for _, word := range strings.FieldsFunc(p.about, func(c rune) bool { return !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z') }) {
				if strings.HasPrefix(word, "Boreas") && word != "Boreas" {
					found++
					if !slices.Contains(names, word) {
						t.Errorf("panel %q names the alert %s, which does not exist", p.title, word)
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("found no alert in a description: the search is wrong")
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
