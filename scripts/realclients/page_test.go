package realclients

import (
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
)

// A page is a Markdown document with terminal sessions, in code blocks marked as console. Their
// lines begin with
//
//	$   a command for the shell, followed by the lines of its output
//	>   a line to type into the running wsdump; ^C is Ctrl+C
//	<   a line that wsdump prints
//
// Lines without a mark at the beginning of a block are the next output of the running stream; ^C
// among them is Ctrl+C.
type page []step

type step struct {
	line   int    // in the document
	kind   byte   // one of the three marks above, or a space
	text   string // the text after the mark
	output []string
}

// keys is how a terminal shows Ctrl+C.
const keys = "^C"

func readPage(t *testing.T, file string) page {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var steps page
	inside, fresh := false, false // in a console block; no step in it so far
	for i, line := range strings.Split(string(text), "\n") {
		mark, rest, marked := strings.Cut(line, " ")
		switch {
		case line == "```console":
			inside, fresh = true, true
		case line == "```":
			inside = false
		case !inside:
		case marked && (mark == "$" || mark == ">" || mark == "<"):
			steps = append(steps, step{line: i + 1, kind: mark[0], text: rest})
			fresh = false
		case fresh:
			steps = append(steps, step{line: i + 1, kind: ' ', output: []string{line}})
			fresh = false
		case steps[len(steps)-1].kind != '$' && steps[len(steps)-1].kind != ' ':
			t.Fatalf("%s:%d: output without a command", file, i+1)
		default:
			last := &steps[len(steps)-1]
			last.output = append(last.output, line)
		}
	}
	return steps
}

// A reading maps the page's examples to the real values of this run. Each port (with its colon),
// token, key, ID, position, session, user and time on the page has one real counterpart.
type reading map[string]string

// example matches text that differs from run to run: a token or key, an ID, a time, a port, a
// position, a session, a user, or the time after which a stream should reconnect. The epochs and offsets
// of a cluster are longer than those of one server.
var example = regexp.MustCompile(`\bb[tk]_[A-Za-z0-9_-]{43}|\b(?:tok|key)_[A-Za-z0-9_-]{16}|\b20[0-9-]{8}T[0-9:]{8}(?:\.[0-9]{3})?Z` +
	`|\b[A-Za-z0-9]{128}-[0-9]{10}\b|:[0-9]{4,5}\b|\b[0-9a-z]{5,8}-[0-9a-z]{1,4}\b|\b[0-9a-z]{5,9}-[0-9a-z]{11}\b` +
	`|\bs_[0-9a-z]{6,}\b|\bu_[A-Za-z0-9_-]{16}|^retry: [0-9]{4}$`)

// bind records the counterparts of examples that the reading does not know yet.
func (r reading) bind(shown, real string) {
	was, is := example.FindAllString(shown, -1), example.FindAllString(real, -1)
	for i := range min(len(was), len(is)) {
		if _, known := r[was[i]]; !known {
			r[was[i]] = is[i]
		}
	}
}

// with returns a reading that also knows the counterparts of these two texts.
func (r reading) with(shown, real string) reading {
	more := maps.Clone(r)
	more.bind(shown, real)
	return more
}

// of returns the page's text with the values of this run.
func (r reading) of(text string) string {
	return example.ReplaceAllStringFunc(text, func(was string) string {
		if is, known := r[was]; known {
			return is
		}
		return was
	})
}
