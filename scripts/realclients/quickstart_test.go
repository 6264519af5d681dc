//go:build unix

package realclients

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestQuickstart follows docs/quickstart.md to the letter: it runs every command,
// types every line into wsdump, and compares every output. Three things differ
// from what a reader does. The server is told by its environment to take free
// ports, so that a test never meets another server, and 8001 and 8002 are replaced
// by them; tokens are replaced by those that the server made; and a command that
// only looks is repeated until it shows what the page shows, because nothing tells
// when the server has read what wsdump sent.
func TestQuickstart(t *testing.T) {
	run := follow(t, "quickstart.md")
	if run.dump == nil {
		t.Fatalf("the page starts no subscriber (%q)", subscriber)
	}
	run.dump.interrupt()
	if rest, err := run.dump.wait(); err != nil {
		t.Errorf("wsdump at Ctrl+C: %v, after printing %q", err, rest)
	}
	run.end()
}

// TestHTTPAPI follows docs/http-api.md in the same way. Positions are replaced, too.
func TestHTTPAPI(t *testing.T) {
	run := follow(t, "http-api.md")
	run.end()
}

// What begins the lines that start programs which run on.
const server, subscriber = "go run ", "wsdump "

// follow does what a page says, up to its end.
func follow(t *testing.T, name string) *walk {
	t.Helper()
	run := &walk{t: t, name: name, reading: reading{}}
	for _, step := range readPage(t, "../../docs/"+name) {
		t.Logf("%s:%d: %c %s", name, step.line, step.kind, step.text)
		switch {
		case step.kind == '>':
			run.dump.enter(run.of(step.text))
		case step.kind == '<':
			run.compare(step, "< "+step.text, run.dump.shown())
		case strings.HasPrefix(step.text, server):
			run.server = start(t, step.text, "BOREAS_API_PORT=0", "BOREAS_WS_PORT=0")
			for _, want := range step.output {
				run.compare(step, want, run.server.line())
			}
		case strings.HasPrefix(step.text, subscriber):
			run.dump = start(t, run.of(step.text))
			for _, want := range step.output {
				run.compare(step, want, run.dump.shown())
			}
		default:
			run.command(step)
		}
	}
	if run.server == nil {
		t.Fatalf("%s starts no server (%q)", name, server)
	}
	return run
}

// end ends the server.
func (q *walk) end() {
	q.t.Helper()
	q.server.interrupt()
	// The go command ends with 1 at Ctrl+C, whatever the program did.
	if rest, err := q.server.wait(); q.server.cmd.ProcessState.ExitCode() != 1 {
		q.t.Errorf("server at Ctrl+C: %v, after printing %q", err, rest)
	}
}

// A walk is one run of a page.
type walk struct {
	t    *testing.T
	name string // of the page
	reading
	server, dump *process
}

func (q *walk) compare(s step, want, got string) {
	q.t.Helper()
	q.bind(want, got)
	if diff := cmp.Diff(q.of(want), got); diff != "" {
		q.t.Fatalf("%s:%d: %s: differs from the page (-page +real):\n%s", q.name, s.line, s.text, diff)
	}
}

// command runs a command that ends by itself, and compares what it prints.
func (q *walk) command(s step) {
	q.t.Helper()
	looksOnly := !strings.Contains(s.text, " -X ") && !strings.Contains(s.text, " -d ")
	want := strings.Join(s.output, "\n")
	for began := time.Now(); ; {
		var stdout, stderr bytes.Buffer
		cmd := exec.Command("sh", "-c", q.of(s.text))
		cmd.Dir, cmd.Stdout, cmd.Stderr = "../..", &stdout, &stderr
		if err := cmd.Run(); err != nil {
			q.t.Fatalf("%s:%d: %s: %v\n%s", q.name, s.line, s.text, err, &stderr)
		}
		got := strings.TrimSuffix(stdout.String(), "\n")
		if looksOnly && got != q.with(want, got).of(want) && time.Since(began) < patience {
			continue
		}
		q.compare(s, want, got)
		return
	}
}
