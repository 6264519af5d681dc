package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMedianIsTheMiddle(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
		ok     bool
	}{
		{nil, 0, false},
		{[]float64{3}, 3, true},
		{[]float64{9, 1, 5}, 5, true},
		{[]float64{4, 1, 2, 9}, 3, true},
	} {
		got, ok := median(c.values)
		if got != c.want || ok != c.ok {
			t.Errorf("median(%v) = %v, %v; want %v, %v", c.values, got, ok, c.want, c.ok)
		}
	}
}

func TestMetricsAreTheNumbersOfTheObject(t *testing.T) {
	got, err := parseMetrics(`{"dialect":"floor","p99_ms":1.5,"missing":0}` + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{"p99_ms": 1.5, "missing": 0}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := parseMetrics("no object"); err == nil {
		t.Error("a line that is not JSON gave no error")
	}
}

// measured returns a result of one contender with the given figures.
func measured(name string, deliveries, p99 float64) *result {
	r := newResult(name)
	r.samples["rate"] = []float64{deliveries}
	r.samples["p99"] = []float64{p99}
	return r
}

func TestTableShowsFiguresRatiosVerdictsAndFaults(t *testing.T) {
	s := shape{name: "one", title: "a shape", rows: []row{
		{label: "deliveries", metric: "rate", unit: "/s", reference: "floor", bar: bar{20, true, true}},
		{label: "p99", metric: "p99", unit: "ms", reference: "floor", bar: bar{limit: 30}},
		{label: "p99 over rate", metric: "p99", over: "rate", unit: "x"},
	}}
	losing := measured("nchan", 0, 0)
	losing.add(map[string]float64{"missing": 3}, "", plan{})
	losing.samples["rate"], losing.samples["p99"] = []float64{95_000}, []float64{400}
	absent := newResult("centrifuge")
	absent.failed = "not built"
	results := []shapeResult{{s, []*result{measured("boreas", 4_100_000, 31), measured("floor", 200_000, 310), losing, absent}}}
	entrants := []entrant{
		{contender: contender{name: "boreas"}},
		{contender: contender{name: "floor"}},
		{contender: contender{name: "nchan"}},
		{contender: contender{name: "centrifuge"}},
	}

	var out bytes.Buffer
	if err := writeTable(&out, "a machine", options{repeat: 3, seconds: 5}, entrants, results); err != nil {
		t.Fatal(err)
	}
	want := `a machine
Medians of 3 repetitions of 5 s.

| shape   | figure        | boreas             | floor    | nchan            | centrifuge | ratios to | bar    |        |
| ------- | ------------- | ------------------ | -------- | ---------------- | ---------- | --------- | ------ | ------ |
| a shape | deliveries    | 4.10 M/s (20.5x)   | 200 k/s  | 95 k/s (0.475x)* | none*      | floor     | >= 20x | met    |
|         | p99           | 31.0 ms (0.1x)     | 310 ms   | 400 ms (1.29x)*  | none*      | floor     | <= 30  | missed |
|         | p99 over rate | 0.00x              | 0.00x    | 0.00x*           | none*      |           |        |        |

* one, nchan: 3 deliveries lost
* one, centrifuge: not built
`
	// Rules and padding depend on the widths, so compare only the cells.
	squeeze := func(s string) []string { return strings.Fields(strings.ReplaceAll(s, "-", "")) }
	if diff := cmp.Diff(squeeze(want), squeeze(out.String())); diff != "" {
		t.Errorf("%s\n%s", diff, out.String())
	}
}

func TestContendersThatTakeNoPartAreNotBuiltAndHaveEmptyCells(t *testing.T) {
	own, classic := shape{contenders: []string{"boreas", "boreas-v2"}}, shape{}
	names := func(shapes ...shape) string {
		var text []string
		for _, c := range needed(contenders(), shapes) {
			text = append(text, c.name)
		}
		return strings.Join(text, " ")
	}
	got := []string{names(own), names(classic), names(own, classic)}
	want := []string{"boreas boreas-v2", "boreas floor nchan centrifuge", "boreas boreas-v2 floor nchan centrifuge"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	r := row{metric: "rate", unit: "/s"}
	all := []*result{measured("boreas", 7, 0)}
	if got := []string{r.cellOf("boreas", all), r.cellOf("floor", all)}; got[0] != "7/s" || got[1] != "" {
		t.Errorf("cells %q", got)
	}
}

func TestMessagesAreAsLargeAsAnothersOnTheWire(t *testing.T) {
	first, second := measured("boreas", 0, 0), measured("boreas-v2", 0, 0)
	second.samples["text_bytes"] = []float64{155.6, 155.7}
	if got, ok := sizeOf("boreas-v2", []*result{first, second}); got != 156 || !ok {
		t.Errorf("%v, %v; want 156", got, ok)
	}
	if _, ok := sizeOf("boreas", []*result{first, second}); ok {
		t.Error("the size is not known")
	}
}

func TestFaultsOfTheSubjectOutweighItsFigures(t *testing.T) {
	r := row{metric: "rate", reference: "floor", bar: bar{20, true, true}}
	subject, floor := measured("boreas", 100, 0), measured("floor", 1, 0)
	subject.add(map[string]float64{"repeated": 1}, "", plan{})
	if got := r.verdict("boreas", []*result{subject, floor}); got != "faults" {
		t.Errorf("verdict = %q, want faults", got)
	}
}

func TestEveryShapeRefersToAKnownContenderAndMetric(t *testing.T) {
	known := map[string]bool{"": true}
	for _, c := range contenders() {
		known[c.name] = true
	}
	for _, s := range shapes() {
		for _, name := range append(slices.Clone(s.contenders), s.subjectName()) {
			if !known[name] || !s.has(name) {
				t.Errorf("%s: %q is not a contender of it", s.name, name)
			}
		}
		for _, r := range s.rows {
			if r.reference != "" && !(known[r.reference] && s.has(r.reference)) {
				t.Errorf("%s, %s: reference %q is not a contender of it", s.name, r.label, r.reference)
			}
			if r.bar.ofRatio && r.reference == "" {
				t.Errorf("%s, %s: a bar on a ratio needs a reference", s.name, r.label)
			}
		}
	}
}

func TestCommandLineIsChecked(t *testing.T) {
	for _, args := range []string{"-only nonsense", "-contenders nonsense", "-tokens 0", "surplus", "-unknown"} {
		if err := run(context.Background(), strings.Fields(args), io.Discard, io.Discard); err == nil {
			t.Errorf("bench %s: no error", args)
		}
	}
	if err := run(context.Background(), []string{"-help"}, io.Discard, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("bench -help: %v", err)
	}
}

func TestOutputKeepsTheEnd(t *testing.T) {
	var l lastBytes
	for range 100 {
		if _, err := io.WriteString(&l, strings.Repeat("x", 100)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(&l, "the end\n"); err != nil {
		t.Fatal(err)
	}
	got := l.String()
	if want := strings.Repeat("x", outputKept-8) + "the end"; got != want {
		t.Errorf("kept %d bytes, ending %q", len(got), got[len(got)-20:])
	}
}
