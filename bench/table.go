package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// median returns the middle value, or the mean of the two middle values.
func median(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle], true
	}
	return (sorted[middle-1] + sorted[middle]) / 2, true
}

// value returns the row's figure of a result.
func (r row) value(of *result) (float64, bool) {
	v, ok := median(of.samples[r.metric])
	if !ok || r.over == "" {
		return v, ok
	}
	below, ok := median(of.samples[r.over])
	if !ok || below == 0 {
		return 0, false
	}
	return v / below, true
}

// ratio returns the row's figure of a result, divided by that of the row's reference.
func (r row) ratio(of *result, all []*result) (float64, bool) {
	i := slices.IndexFunc(all, func(other *result) bool { return other.contender == r.reference })
	if i < 0 {
		return 0, false
	}
	base, ok := r.value(all[i])
	if !ok || base == 0 {
		return 0, false
	}
	v, ok := r.value(of)
	return v / base, ok
}

func format(v float64, unit string) string {
	switch {
	case unit == "/s" && v >= 1e6:
		return fmt.Sprintf("%.2f M/s", v/1e6)
	case unit == "/s" && v >= 1e3:
		return fmt.Sprintf("%.0f k/s", v/1e3)
	case unit == "/s":
		return fmt.Sprintf("%.0f/s", v)
	case unit == "x":
		return fmt.Sprintf("%.2fx", v)
	case v >= 100:
		return fmt.Sprintf("%.0f %s", v, unit)
	case v >= 10:
		return fmt.Sprintf("%.1f %s", v, unit)
	default:
		return fmt.Sprintf("%.2f %s", v, unit)
	}
}

// cell returns a figure with its ratio. A * means that the notes mention it.
func (r row) cell(of *result, all []*result) string {
	v, ok := r.value(of)
	if !ok {
		return "none*"
	}
	text := format(v, r.unit)
	if ratio, ok := r.ratio(of, all); ok && of.contender != r.reference {
		text += fmt.Sprintf(" (%.3gx)", ratio)
	}
	if len(of.faults) > 0 || of.failed != "" || of.limited {
		text += "*"
	}
	return text
}

// cellOf returns the cell of a contender, or "" if the contender does not take part.
func (r row) cellOf(contender string, all []*result) string {
	for _, of := range all {
		if of.contender == contender {
			return r.cell(of, all)
		}
	}
	return ""
}

const subject = "boreas"

// verdict returns whether the subject reaches the row's bar, as text.
func (r row) verdict(subject string, all []*result) string {
	i := slices.IndexFunc(all, func(of *result) bool { return of.contender == subject })
	if i < 0 || r.bar == (bar{}) {
		return ""
	}
	measure := r.value
	if r.bar.ofRatio {
		measure = func(of *result) (float64, bool) { return r.ratio(of, all) }
	}
	v, ok := measure(all[i])
	switch {
	case !ok:
		return "not measured"
	case len(all[i].faults) > 0 || all[i].failed != "":
		return "faults"
	case r.bar.met(v):
		return "met"
	default:
		return "missed"
	}
}

// writeTable writes Markdown. It is aligned, so that the source is readable too.
func writeTable(out io.Writer, machine string, o options, entrants []entrant, results []shapeResult) error {
	rows := [][]string{{"shape", "figure"}}
	for _, e := range entrants {
		rows[0] = append(rows[0], e.name)
	}
	rows[0] = append(rows[0], "ratios to", "bar", "")
	for _, s := range results {
		for i, r := range s.shape.rows {
			line := []string{"", r.label}
			if i == 0 {
				line[0] = s.shape.title
			}
			for _, e := range entrants {
				line = append(line, r.cellOf(e.name, s.results))
			}
			rows = append(rows, append(line, r.reference, r.bar.String(), r.verdict(s.shape.subjectName(), s.results)))
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s\nMedians of %d repetitions of %g s.\n\n", machine, o.repeat, o.seconds)
	text.WriteString(align(rows))
	text.WriteString(notes(results))
	_, err := io.WriteString(out, text.String())
	return err
}

func align(rows [][]string) string {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len(cell))
		}
	}
	var text strings.Builder
	line := func(cells []string) {
		for i, cell := range cells {
			fmt.Fprintf(&text, "| %-*s ", width[i], cell)
		}
		text.WriteString("|\n")
	}
	line(rows[0])
	rule := make([]string, len(width))
	for i := range rule {
		rule[i] = strings.Repeat("-", max(width[i], 3))
	}
	line(rule)
	for _, row := range rows[1:] {
		line(row)
	}
	return text.String()
}

// notes explains the stars in the table.
func notes(results []shapeResult) string {
	var text strings.Builder
	for _, s := range results {
		for _, of := range s.results {
			note := func(format string, args ...any) {
				fmt.Fprintf(&text, "* %s, %s: %s\n", s.shape.name, of.contender, fmt.Sprintf(format, args...))
			}
			for _, fault := range slices.Sorted(maps.Keys(of.faults)) {
				note("%.0f %s", of.faults[fault], fault)
			}
			if of.limited {
				note("the load generator was at its limit; the server may do more")
			}
			if of.failed != "" {
				note("%s", of.failed)
			}
		}
	}
	if text.Len() == 0 {
		return "\nEvery delivery was checked: none lost, repeated, changed or out of order.\n"
	}
	return "\n" + text.String()
}

// writeJSON writes every sample.
func writeJSON(out io.Writer, machine string, o options, results []shapeResult) error {
	type contenderJSON struct {
		Contender string               `json:"contender"`
		Samples   map[string][]float64 `json:"samples"`
		Faults    map[string]float64   `json:"faults"`
		Failed    string               `json:"failed,omitempty"`
		Limited   bool                 `json:"load_generator_at_limit,omitempty"`
	}
	type shapeJSON struct {
		Shape      string          `json:"shape"`
		Title      string          `json:"title"`
		Contenders []contenderJSON `json:"contenders"`
	}
	document := struct {
		Machine string      `json:"machine"`
		Repeat  int         `json:"repeat"`
		Seconds float64     `json:"seconds"`
		Shapes  []shapeJSON `json:"shapes"`
	}{Machine: machine, Repeat: o.repeat, Seconds: o.seconds}
	for _, s := range results {
		one := shapeJSON{Shape: s.shape.name, Title: s.shape.title}
		for _, of := range s.results {
			one.Contenders = append(one.Contenders, contenderJSON{of.contender, of.samples, of.faults, of.failed, of.limited})
		}
		document.Shapes = append(document.Shapes, one)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}
