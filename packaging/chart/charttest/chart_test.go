package charttest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"sigs.k8s.io/yaml"
)

// TestLint runs `helm lint --strict` with each set of values.
func TestLint(t *testing.T) {
	for _, set := range sets(t) {
		v, err := chartutil.CoalesceValues(load(t), values(t, set))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range lint.AllWithKubeVersion(chartDir, v, namespace, nil).Messages {
			if m.Severity >= support.WarningSev {
				t.Errorf("%s: %v", set, m)
			}
		}
	}
}

// TestKinds lists what each set of values makes.
func TestKinds(t *testing.T) {
	for set, want := range map[string]string{
		"defaults":   "ConfigMap NetworkPolicy Pod Service Service Service ServiceAccount StatefulSet",
		"memory":     "ConfigMap Pod Service Service Service StatefulSet",
		"cluster":    "ConfigMap NetworkPolicy Pod PodDisruptionBudget Service Service Service ServiceAccount StatefulSet",
		"nats":       "ConfigMap HorizontalPodAutoscaler NetworkPolicy Pod PodDisruptionBudget Service Service Service ServiceAccount StatefulSet",
		"everything": "ConfigMap Ingress NetworkPolicy PodDisruptionBudget PrometheusRule Service Service Service ServiceAccount ServiceMonitor StatefulSet",
	} {
		if got := strings.Join(kinds(rendered(t, set)), " "); got != want {
			t.Errorf("%s: got %s\nwant %s", set, got, want)
		}
	}
}

// TestRefusals: a wrong value is refused with a message that names it, and where that helps, the
// reason.
func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"replicas: 2": "at '/replicas': value must be one of 1, 3, 5, 'or any number with nats.servers. Two or four nodes survive no more failures than one or three, because each message needs a majority'",
		"replicas: 4": "each message needs a majority",
		"replicas: 0": "at '/replicas': minimum: got 0, want 1",
		"{replicas: 0, nats: {servers: [nats://a]}}": "at '/replicas': minimum",
		"replica: 3": "additional properties 'replica' not allowed",
		"{replicas: 3, persistence: {enabled: false}}":                   "because the nodes of a cluster keep the messages on their volumes",
		"autoscaling: {enabled: true}":                                   "or true with nats.servers",
		"{replicas: 3, cluster: {tls: {existingSecret: ''}}}":            "at '/cluster/tls/existingSecret': minLength",
		"nats: {servers: ['nats://user:secret@a']}":                      "at '/nats/servers/0': ",
		"nats: {auth: token}":                                            "at '/nats/existingSecret': minLength",
		"nats: {servers: [nats://a], auth: password, existingSecret: x}": "at '/nats/user': minLength",
		"config: {history_agee: 1h}":                                     "additional properties 'history_agee' not allowed",
		"config: {data_dir: /x}":                                         "additional properties 'data_dir' not allowed",
		"config: {cluster_secret: abc}":                                  "additional properties 'cluster_secret' not allowed",
		"config: {max_connections: many}":                                "at '/config/max_connections': got string, want integer",
		"config: {require_auth: 'yes'}":                                  "at '/config/require_auth': got string, want boolean",
		"api: {adminKey: {existingSecret: ''}}":                          "at '/api/adminKey/existingSecret'",
		"api: {adminKey: {value: bk_x}}":                                 "additional properties 'value' not allowed",
		"api: {tls: {clientCA: true}}":                                   "at '/api/tls/existingSecret': minLength",
		"ingress: {enabled: true}":                                       "at '/ingress/hosts': minItems",
		"image: {digest: latest}":                                        "at '/image/digest': 'latest' does not match pattern",
		"persistence: {size: 16GB}":                                      "at '/persistence/size': '16GB' does not match pattern",
		"persistence: {accessModes: [ReadWriteMany]}":                    "at '/persistence/accessModes/0'",
		"ws: {service: {type: ExternalName}}":                            "at '/ws/service/type'",
		"{config: {proxy_protocol: true, trusted_proxies: 10.0.0.0/8}, api: {tls: {existingSecret: a, clientCA: true}}}": "because with config.proxy_protocol",
		"shutdown: {delaySeconds: 10s}": "at '/shutdown/delaySeconds': got string, want integer",
	} {
		if _, err := render(parse(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v\nwant %s", text, err, want)
		}
	}
}

// TestNotes: the notes have the commands for the first message, with the names of this release.
func TestNotes(t *testing.T) {
	for set, want := range map[string][]string{
		"defaults": {
			"Boreas 2.0.0 is installed as live-boreas (one server).",
			"create secret generic boreas-admin", `--from-literal=admin.key="bk_$(openssl rand -hex 32)"`,
			"kubectl -n push port-forward live-boreas-0 8001 8002", `boreas publish news '{"hello":1}'`,
			`-o go-template='{{ index .data "admin.key" | base64decode }}'`,
			"http://live-boreas-api.push.svc:8001",
		},
		"memory":  {"WARNING: the API needs no key"},
		"cluster": {"a cluster of 3 nodes", "create secret generic boreas-cluster", "*.live-boreas-nodes.push.svc.cluster.local", "/boreas cluster status"},
		"tls":     {"--api=https://localhost:8001", "--ws=wss://localhost:8002"},
		"nats":    {"(on NATS servers)"},
	} {
		notes := rendered(t, set).notes
		for _, text := range want {
			if !strings.Contains(notes, text) {
				t.Errorf("%s: the notes lack %q:\n%s", set, text, notes)
			}
		}
	}
}

// TestReadme compares the table of values in README.md with values.yaml.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chartDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([^`]*)` \\|").FindAllStringSubmatch(string(text), -1) {
		got[row[1]] = row[2]
	}
	defaults := load(t).Values
	want := map[string]string{}
	flatten(t, want, "", defaults)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("README.md (-values.yaml +README.md):\n%s", diff)
	}
}

// whole are the values that README.md shows as a whole.
var whole = regexp.MustCompile(`^(resources|probes)\.[a-z]+$`)

// flatten adds the values below a prefix to a map, as JSON.
func flatten(t *testing.T, to map[string]string, prefix string, v map[string]any) {
	t.Helper()
	for name, value := range v {
		name = prefix + name
		if m, ok := value.(map[string]any); ok && len(m) > 0 && !whole.MatchString(name) {
			flatten(t, to, name+".", m)
			continue
		}
		text, err := yaml.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		inJSON, err := yaml.YAMLToJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		to[name] = string(inJSON)
	}
}

// TestDecodeIsStrict checks that a wrong object fails the tests.
func TestDecodeIsStrict(t *testing.T) {
	for document, want := range map[string]string{
		"apiVersion: v1\nkind: Service\nspec: {port: 1}":                                  "unknown field",
		"apiVersion: v1\nkind: Service\nspec: {}\nspec: {}":                               "already set",
		"apiVersion: v1\nkind: Nothing":                                                   "no kind",
		"apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nspec: {endpoint: 1}": "unknown field",
		"spec: {}": "no kind",
	} {
		if _, err := decode([]byte(document)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", document, err, want)
		}
	}
}
