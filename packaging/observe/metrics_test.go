package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// ofTargets are the labels that Prometheus adds. "cluster" is added by an operator of several clusters.
var ofTargets = []string{"job", "instance", "cluster"}

// neverShown are metrics that neither the dashboard nor a rule uses, with the reason.
var neverShown = map[string]string{
	"boreas_ws_compression_bytes_total":  "how well messages compress is a matter of the application",
	"boreas_sse_compression_bytes_total": "the same",

	"boreas_pings_total":              "one per session and ws_ping_interval: follows from the sessions",
	"boreas_api_dry_runs_total":       "a matter of backends, which see the results themselves",
	"boreas_api_tokens_created_total": "the requests by route show them",
	"boreas_api_tokens_deleted_total": "the requests by route show them",
	"boreas_api_sessions_ended_total": "the sessions that ended with the reason terminated show them",
}

// A series is what metrics.txt says of one metric: the values of each label. No values means any.
type series map[string][]string

// listed reads metrics.txt, which a test of internal/repotest compares with real servers.
func listed(t *testing.T) map[string]series {
	t.Helper()
	pair := regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
	all := map[string]series{}
	for line := range strings.Lines(read(t, "metrics.txt")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(line, "{")
		if all[name] == nil {
			all[name] = series{}
		}
		for _, m := range pair.FindAllStringSubmatch(rest, -1) {
			all[name][m[1]] = append(all[name][m[1]], m[2])
		}
	}
	if len(all) < 50 {
		t.Fatalf("metrics.txt has %d metrics: the search is wrong", len(all))
	}
	return all
}

// allExpressions returns the expressions of the dashboard and of all rules by the place that has them.
func allExpressions(t *testing.T) map[string]string {
	t.Helper()
	all := stored(t).expressions()
	for _, file := range []string{alertsFile, recordingFile} {
		for _, r := range rulesOf(t, file) {
			all[file+": "+r.Alert+r.Record+r.Labels["promise"]] = r.Expr
		}
	}
	return all
}

// TestExpressionsUseMetricsOfTheServer parses each expression and looks up its metrics and labels.
func TestExpressionsUseMetricsOfTheServer(t *testing.T) {
	known := listed(t)
	for _, r := range rulesOf(t, recordingFile) {
		known[r.Record] = series{"promise": nil}
	}
	known["up"] = series{}
	p := parser.NewParser(parser.Options{})
	for where, text := range allExpressions(t) {
		e, err := p.ParseExpr(text)
		if err != nil {
			t.Errorf("%s: %v in %s", where, err, text)
			continue
		}
		names := slices.Clone(ofTargets) // that a grouping may name
		parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
			v, ok := n.(*parser.VectorSelector)
			if !ok {
				return nil
			}
			metric, ok := known[v.Name]
			if !ok && !strings.HasPrefix(v.Name, "go_") && !strings.HasPrefix(v.Name, "process_") { // internal/repotest checks these
				t.Errorf("%s: no server has the metric %q", where, v.Name)
			}
			for name := range metric {
				names = append(names, name)
			}
			for _, m := range v.LabelMatchers {
				values, ok := metric[m.Name]
				switch {
				case m.Name == model.MetricNameLabel || slices.Contains(ofTargets, m.Name):
				case !ok:
					t.Errorf("%s: the metric %s has no label %q", where, v.Name, m.Name)
				case len(values) > 0 && !slices.Contains(values, "") && !slices.ContainsFunc(values, m.Matches):
					t.Errorf("%s: no value of the label %s of %s matches %s", where, m.Name, v.Name, m)
				case m.Type == labels.MatchRegexp && !slices.Contains(values, ""):
					for alternative := range strings.SplitSeq(m.Value, "|") {
						if !slices.Contains(values, alternative) {
							t.Errorf("%s: the label %s of %s never has the value %q", where, m.Name, v.Name, alternative)
						}
					}
				}
			}
			return nil
		})
		parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
			var used []string
			switch n := n.(type) {
			case *parser.AggregateExpr:
				used = n.Grouping
			case *parser.BinaryExpr:
				if n.VectorMatching != nil {
					used = n.VectorMatching.MatchingLabels
				}
			}
			for _, name := range used {
				if !slices.Contains(names, name) {
					t.Errorf("%s: no metric of the expression has the label %q", where, name)
				}
			}
			return nil
		})
	}
}

// TestEachMetricIsUsed: the dashboard or a rule uses each metric, or neverShown gives the reason.
func TestEachMetricIsUsed(t *testing.T) {
	used := map[string]bool{}
	p := parser.NewParser(parser.Options{})
	for where, text := range allExpressions(t) {
		e, err := p.ParseExpr(text)
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
			if v, ok := n.(*parser.VectorSelector); ok {
				used[part.ReplaceAllString(v.Name, "")] = true
			}
			return nil
		})
	}
	for name := range listed(t) {
		name = part.ReplaceAllString(name, "")
		_, excused := neverShown[name]
		switch {
		case !used[name] && !excused:
			t.Errorf("neither the dashboard nor a rule uses %s: use it, or give the reason in neverShown", name)
		case used[name] && excused:
			t.Errorf("%s is used, and is in neverShown", name)
		}
	}
}

// part is the end of the name of a histogram's series.
var part = regexp.MustCompile(`_(bucket|sum|count)$`)
