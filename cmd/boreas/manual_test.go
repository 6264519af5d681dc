package main

import (
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// TestManual looks for each command, flag and option in the manual page.
func TestManual(t *testing.T) {
	var out, errs strings.Builder
	if err := run(t.Context(), []string{"boreas", "manual", "--date=2027-01-31"}, nil, nil, &out, &errs); err != nil {
		t.Fatal(err, errs.String())
	}
	if err := run(t.Context(), []string{"boreas", "manual", "--date=today"}, nil, nil, &out, &errs); exitCode(err) != exitUsage {
		t.Errorf("with a wrong date: %v", err)
	}
	text := out.String()
	want := []string{`.TH BOREAS 1 2027-01-31 "Boreas `, ".SH \"EXIT STATUS\"\n"}
	for _, o := range config.Options() {
		want = append(want, "\n\\fB"+roff("--"+o.Flag())+"\\fR")
	}
	root := rootCommand(&program{})
	for _, c := range root.Commands {
		if c.Hidden || c.Name == "help" {
			continue
		}
		want = append(want, "\n.SS \"boreas "+roff(c.Name))
		for _, sub := range c.Commands {
			want = append(want, "\n.SS \"boreas "+roff(c.Name+" "+sub.Name))
		}
	}
	want = append(want, "\n\\fB"+roff("--key-file")+" FILE\\fR\n")
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("the page has no %q", w)
		}
	}
	for i, line := range strings.Split(text, "\n") {
		request, _, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, "'"), strings.Contains(line, "\t"):
			t.Errorf("line %d: %q is no text", i+1, line)
		case strings.HasPrefix(line, ".") && !strings.Contains(" .TH .SH .SS .TP .PP .nf .fi .br .B ", " "+request+" "):
			t.Errorf("line %d: the request %q is unknown", i+1, line)
		}
	}
}

func TestManualEscapesRequests(t *testing.T) {
	m := &page{}
	m.text(`.so a-b 'c' \ "d". ` + strings.Repeat("x", pageWidth-3) + " .TH e")
	want := "\\&.so a\\-b \\(aqc\\(aq \\e \"d\".\n" + strings.Repeat("x", pageWidth-3) + "\n\\&.TH e\n"
	if got := m.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	m = &page{}
	m.macro("SS", `a "b" `+"`c`")
	if got, want := m.String(), ".SS \"a \\(dqb\\(dq \\(gac\\(ga\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
