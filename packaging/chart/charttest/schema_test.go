package charttest

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

var update = flag.Bool("update", false, "write the schema and the copied files anew")

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.LoadDir(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// setByTheChart returns the options that the value "config" does not take, each with the reason. A star
// at the end stands for any rest of a name.
func setByTheChart(t *testing.T, value map[string]any) map[string]any {
	t.Helper()
	all, _ := value["x-set-by-the-chart"].(map[string]any)
	if len(all) < 20 {
		t.Fatalf("found only %d options that the chart sets: the search is wrong", len(all))
	}
	return all
}

// configSchema returns the schema of the value "config": the options of the program without those that
// the chart sets.
func configSchema(set map[string]any) map[string]any {
	all := map[string]any{}
	for _, o := range config.Options() {
		matches := func(pattern string) bool {
			prefix, star := strings.CutSuffix(pattern, "*")
			return pattern == o.Name || star && strings.HasPrefix(o.Name, prefix)
		}
		if slices.ContainsFunc(slices.Collect(maps.Keys(set)), matches) {
			continue
		}
		var kind any = "string"
		switch {
		case o.Bool():
			kind = "boolean"
		case o.Placeholder() == "N":
			kind = "integer"
		case o.Placeholder() == "TIME", o.Placeholder() == "SIZE":
			kind = []any{"string", "integer"}
		}
		all[o.Name] = map[string]any{"type": kind, "description": o.Usage}
	}
	return all
}

// TestSchemaHasTheOptions compares the schema of the value "config" with the options of the program.
func TestSchemaHasTheOptions(t *testing.T) {
	file := filepath.Join(chartDir, "values.schema.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	value := schema["properties"].(map[string]any)["config"].(map[string]any)
	if value["additionalProperties"] != false {
		t.Error("the schema accepts options that the program does not have")
	}
	want := configSchema(setByTheChart(t, value))
	if len(want) < 40 {
		t.Fatalf("found only %d options: the search is wrong", len(want))
	}
	if *update {
		value["properties"] = want
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(schema); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, value["properties"]); diff != "" {
		t.Errorf("the schema does not have the options of the program: run `go test -run %s -update` (-want +got):\n%s", t.Name(), diff)
	}
}

// TestSchemaIsStrict: no object of the schema accepts unknown members, apart from those that Kubernetes
// defines.
func TestSchemaIsStrict(t *testing.T) {
	open := []string{"/global", "/resources", "/affinity", "/tolerations/items", "/topologySpreadConstraints/items", "/extraEnv/items", "/networkPolicy/api/from/items", "/networkPolicy/ws/from/items"}
	var schema map[string]any
	if err := json.Unmarshal(load(t).Schema, &schema); err != nil {
		t.Fatal(err)
	}
	var visit func(path string, s map[string]any)
	visit = func(path string, s map[string]any) {
		if s["type"] == "object" && s["additionalProperties"] == nil {
			known := false
			for _, p := range open {
				known = known || p == path
			}
			if !known {
				t.Errorf("%s accepts unknown members", path)
			}
		}
		if items, ok := s["items"].(map[string]any); ok {
			visit(path+"/items", items)
		}
		if properties, ok := s["properties"].(map[string]any); ok {
			for name, p := range properties {
				visit(path+"/"+name, p.(map[string]any))
			}
		}
	}
	visit("", schema)
	want := map[string]bool{}
	for name := range load(t).Values {
		want[name] = true
	}
	got := map[string]bool{}
	for name := range schema["properties"].(map[string]any) {
		if name != "global" {
			got[name] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the schema and values.yaml have different values (-values.yaml +schema):\n%s", diff)
	}
}
