package main

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const (
	alertsFile    = "alerts.yml"
	recordingFile = "recording.yml"
)

// A rule is an alert or a recording rule.
type rule struct {
	Alert, Record, Expr, For string
	Labels, Annotations      map[string]string
}

// load reads a file of YAML that has no other members than v has.
func load(t *testing.T, file string, v any) {
	t.Helper()
	d := yaml.NewDecoder(bytes.NewReader([]byte(read(t, file))))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func rulesOf(t *testing.T, file string) []rule {
	t.Helper()
	var content struct {
		Groups []struct {
			Name, Interval string
			Rules          []rule
		}
	}
	load(t, file, &content)
	var all []rule
	for _, g := range content.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no rules", file)
	}
	return all
}

// TestAlertsSayWhatToDo: each alert has a severity, a summary, a description with a value or a
// label, and the address of its section in the runbook.
func TestAlertsSayWhatToDo(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rulesOf(t, alertsFile) {
		if seen[r.Alert] {
			t.Errorf("two alerts have the name %s", r.Alert)
		}
		seen[r.Alert] = true
		if severity := r.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s has the severity %q, not critical or warning", r.Alert, severity)
		}
		keys := slices.Sorted(maps.Keys(r.Annotations))
		if !slices.Equal(keys, []string{"description", "runbook_url", "summary"}) {
			t.Errorf("%s has the annotations %q", r.Alert, keys)
		}
		if want := runbook + "#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
			t.Errorf("%s has the runbook_url %s, not %s", r.Alert, r.Annotations["runbook_url"], want)
		}
		if !strings.Contains(r.Annotations["description"], "{{ $") {
			t.Errorf("%s: the description has neither a value nor a label: %s", r.Alert, r.Annotations["description"])
		}
	}
}

// TestEachAlertIsTested: alerts_test.yml has for each alert a time at which it fires and one at
// which it does not.
func TestEachAlertIsTested(t *testing.T) {
	var content struct {
		RuleFiles          []string `yaml:"rule_files"`
		EvaluationInterval string   `yaml:"evaluation_interval"`
		Tests              []struct {
			Name, Interval string
			InputSeries    []map[string]string `yaml:"input_series"`
			AlertRuleTest  []struct {
				EvalTime  string `yaml:"eval_time"`
				Alertname string
				ExpAlerts []map[string]any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	load(t, "alerts_test.yml", &content)
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range content.Tests {
		for _, c := range test.AlertRuleTest {
			if len(c.ExpAlerts) > 0 {
				fires[c.Alertname] = true
			} else {
				quiet[c.Alertname] = true
			}
		}
	}
	for _, r := range rulesOf(t, alertsFile) {
		if !fires[r.Alert] || !quiet[r.Alert] {
			t.Errorf("alerts_test.yml: %s fires in a test: %v; stays quiet in a test: %v", r.Alert, fires[r.Alert], quiet[r.Alert])
		}
	}
}

// TestRecordedNamesFollowTheConvention: level:metric:operations.
func TestRecordedNamesFollowTheConvention(t *testing.T) {
	form := regexp.MustCompile(`^[a-z_]+:boreas_[a-z_]+:[a-z0-9_]+$`)
	for _, r := range rulesOf(t, recordingFile) {
		if !form.MatchString(r.Record) {
			t.Errorf("the name %s is not of the form level:boreas_metric:operations", r.Record)
		}
	}
}
