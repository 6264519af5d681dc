package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Finding is something that should not have happened.
type Finding struct {
	Subscriber string // "" if the finding is about the log or a publisher
	Channel    string
	Event      int    // the index of the stream's event at which it was found
	Kind       string // lost, repeated, reordered and so on, for counting
	Text       string
}

func (f Finding) String() string {
	if f.Subscriber == "" {
		return fmt.Sprintf("%s: %s: %s", f.Channel, f.Kind, f.Text)
	}
	return fmt.Sprintf("%s on %s, event %d: %s: %s", f.Subscriber, f.Channel, f.Event, f.Kind, f.Text)
}

// A Verdict is the result of a run.
type Verdict struct {
	Acked     int    // messages that were acknowledged
	Maybe     int    // messages that were not acknowledged
	Delivered int    // deliveries to a subscriber, once and in order
	Reported  int    // messages that a subscriber missed and that were reported to it
	Needless  int    // gaps without messages: the server could not know that nothing was missed
	Gaps      Counts // reported gaps, by reason
	To        Counts // deliveries by subscriber
	Findings  []Finding
}

// Add adds the result of another run.
func (v *Verdict) Add(w Verdict) {
	v.Acked += w.Acked
	v.Maybe += w.Maybe
	v.Delivered += w.Delivered
	v.Reported += w.Reported
	v.Needless += w.Needless
	v.Gaps, v.To = v.Gaps.plus(w.Gaps), v.To.plus(w.To)
	v.Findings = append(v.Findings, w.Findings...)
}

// String returns the last line of a run's output.
func (v Verdict) String() string {
	return fmt.Sprintf(
		"acked %d, delivered once and in order %d, reported as gaps %d, unexplained %d",
		v.Acked, v.Delivered, v.Reported, len(v.Findings),
	)
}

// Counts are numbers by name.
type Counts map[string]int

// plus returns the sum of both.
func (c Counts) plus(d Counts) Counts {
	sum := make(Counts)
	maps.Copy(sum, c)
	for name, n := range d {
		sum[name] += n
	}
	return sum
}

func (c Counts) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, c[name]))
	}
	return strings.Join(parts, ", ")
}
