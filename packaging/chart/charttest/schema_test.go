package charttest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
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

// notInConfig are the options that the value "config" does not take, each with the reason. A star at
// the end stands for any rest of a name.
var notInConfig = map[string]string{
	"config":         "the chart names the file",
	"api_host":       "other pods must reach the ports",
	"api_port":       "services have the port",
	"ws_host":        "as api_host",
	"ws_port":        "as api_port",
	"admin_key":      "a secret: api.adminKey",
	"api_insecure":   "api.insecure",
	"api_tls_*":      "api.tls",
	"api_client_ca":  "api.tls.clientCA",
	"ws_tls_*":       "ws.tls",
	"acme_*":         "an ingress or cert-manager makes certificates; all pods would request their own",
	"shutdown_delay": "shutdown.delaySeconds, on which the time for termination depends",
	"drain_time":     "likewise, shutdown.drainSeconds",
	"data_dir":       "persistence",
	"engine":         "replicas and nats.servers",
	"node":           "the name of the pod",
	"cluster_*":      "cluster",
	"nats_servers":   "nats",
	"nats_prefix":    "nats.prefix",
	"nats_user":      "nats.user",
	"nats_password":  "a secret: nats.existingSecret",
	"nats_token":     "likewise",
	"nats_nkey":      "likewise",
	"nats_creds":     "likewise",
	"nats_ca":        "nats.tls",
	"nats_cert":      "likewise",
	"nats_key":       "likewise",
	"debug_listen":   "loopback addresses of a pod are reached by port-forward only: give --debug-listen with extraEnv",
}

// configSchema returns the schema of the value "config": the options of the program.
func configSchema() map[string]any {
	all := map[string]any{}
	for _, o := range config.Options() {
		if _, no := notInConfig[o.Name]; no {
			continue
		}
		prefix, _, _ := strings.Cut(o.Name, "_")
		if _, no := notInConfig[prefix+"_*"]; no {
			continue
		}
		if two := strings.SplitN(o.Name, "_", 3); len(two) == 3 {
			if _, no := notInConfig[two[0]+"_"+two[1]+"_*"]; no {
				continue
			}
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
	want := configSchema()
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
