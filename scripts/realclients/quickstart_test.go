//go:build unix

package realclients

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestQuickstart follows docs/quickstart.md exactly: it runs every command, types every line into
// wsdump, and compares every output. It differs from a reader in three points:
//
//   - The environment makes the server use free ports instead of 8001 and 8002, so that a test
//     never meets another server.
//   - Tokens are replaced by the server's real tokens.
//   - A command that only reads is repeated until its output matches, because the test cannot know
//     when the server has processed wsdump's input.
func TestQuickstart(t *testing.T) {
	run := follow(t, "quickstart.md")
	run.stopDump()
	run.end()
}

// TestHTTPAPI follows docs/http-api.md in the same way. It also replaces positions.
func TestHTTPAPI(t *testing.T) {
	run := follow(t, "http-api.md")
	run.end()
}

// TestStart follows docs/start.md in the same way, and opens its web page in Chromium.
//
// clauses 3.1, 3.2, 4.2, 4.7, 4.8, 5.1, 6.1, 6.2, 9.3, 9.4, 9.5, 9.6, 10.1, 10.2, 10.3, 10.4
func TestStart(t *testing.T) {
	run := follow(t, "start.md")
	run.stopDump()
	text, err := os.ReadFile("../../docs/start.md")
	if err != nil {
		t.Fatal(err)
	}
	_, html, _ := strings.Cut(string(text), "```html\n")
	html, _, found := strings.Cut(html, "```\n")
	if !found {
		t.Fatal("the page has no web page")
	}
	file := filepath.Join(t.TempDir(), "news.html")
	if err := os.WriteFile(file, []byte(run.of(html)), 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command("node", "start.mjs", file, "3").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	want := "{\"hello\":1}\n{\"hello\":2}\n{\"hello\":3}\n"
	if diff := cmp.Diff(want, string(output)); diff != "" {
		t.Errorf("the web page differs (-want +got):\n%s", diff)
	}
	run.end()
}

// Beginnings of commands that start programs which keep running.
const server, subscriber, stream = "go run ", "wsdump ", "curl -sN "

// follow executes all steps of a page.
func follow(t *testing.T, name string) *walk {
	t.Helper()
	run := &walk{t: t, name: name, reading: reading{}}
	for _, step := range readPage(t, "../../docs/"+name) {
		t.Logf("%s:%d: %c %s", name, step.line, step.kind, step.text)
		switch {
		case step.kind == '>' && step.text == keys:
			run.stopDump()
		case step.kind == '>':
			run.dump.enter(run.of(step.text))
		case step.kind == '<':
			run.compare(step, "< "+step.text, run.dump.shown())
		case step.kind == ' ':
			run.streams(step)
		case strings.HasPrefix(step.text, stream):
			run.stream = start(t, run.of(step.text))
			run.streams(step)
		case strings.HasPrefix(step.text, server) && run.server == nil:
			run.server = start(t, step.text, "BOREAS_API_PORT=0", "BOREAS_WS_PORT=0")
			for _, want := range step.output {
				run.compare(step, want, run.server.bannerLine())
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

// stopDump sends Ctrl+C to wsdump.
func (q *walk) stopDump() {
	q.t.Helper()
	if q.dump == nil {
		q.t.Fatalf("%s starts no subscriber (%q)", q.name, subscriber)
	}
	q.dump.interrupt()
	if rest, err := q.dump.wait(); err != nil {
		q.t.Errorf("wsdump at Ctrl+C: %v, after printing %q", err, rest)
	}
	q.dump = nil
}

// streams compares the next output of the stream.
func (q *walk) streams(s step) {
	q.t.Helper()
	if q.stream == nil {
		q.t.Fatalf("%s:%d: output without a stream", q.name, s.line)
	}
	for _, want := range s.output {
		switch want {
		case "": // between two events
		case keys:
			q.stream.interrupt()
			q.stream.wait()
			q.stream = nil
		default:
			q.compare(s, want, q.stream.field())
		}
	}
}

// end stops the server.
func (q *walk) end() {
	q.t.Helper()
	q.server.interrupt()
	q.server.stopped()
}

// A walk is one run of a page.
type walk struct {
	t    *testing.T
	name string // of the page's file
	reading
	server, dump, stream *process
}

func (q *walk) compare(s step, want, got string) {
	q.t.Helper()
	q.bind(want, got)
	if diff := cmp.Diff(q.of(want), got); diff != "" {
		q.t.Fatalf("%s:%d: %s: differs from the page (-page +real):\n%s", q.name, s.line, s.text, diff)
	}
}

// command runs a command that exits by itself, and compares its output.
func (q *walk) command(s step) {
	q.t.Helper()
	looksOnly := !strings.Contains(s.text, " -X ") && !strings.Contains(s.text, " -d ")
	want := strings.Join(s.output, "\n")
	for began := time.Now(); ; {
		var stdout, stderr bytes.Buffer
		cmd := exec.Command("sh", "-c", q.of(s.text))
		cmd.Dir, cmd.Stdout, cmd.Stderr = "../..", &stdout, &stderr
		cmd.Env = append(os.Environ(), "BOREAS_API_URL="+q.of("http://127.0.0.1:8001"), "BOREAS_WS_URL="+q.of("ws://127.0.0.1:8002"))
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

// TestReadme runs the commands of the README's first message, with a program named boreas.
func TestReadme(t *testing.T) {
	bin := t.TempDir()
	if output, err := exec.Command("go", "build", "-o", bin, "../../cmd/boreas").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	steps := readPage(t, "../../README.md")
	var commands []string
	for _, s := range steps {
		commands = append(commands, s.text)
	}
	if len(commands) != 3 {
		t.Fatalf("the README has the commands %q, and three are expected", commands)
	}
	run := &walk{t: t, name: "README.md", reading: reading{}}
	run.server = start(t, commands[0], "BOREAS_API_PORT=0", "BOREAS_WS_PORT=0")
	for line := ""; line != "Running..."; line = run.server.line() {
		run.bind(portIn(line), line)
	}
	api, ws := run.of("http://127.0.0.1:8001"), run.of("ws://127.0.0.1:8002")
	subscriber := start(t, commands[1], "BOREAS_API_URL="+api, "BOREAS_WS_URL="+ws)
	for !strings.Contains(subscriber.line(), "listening to") {
	}
	run.command(steps[2])
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, want, _ := strings.Cut(string(text), "The subscriber prints it:\n\n```\n")
	want, _, _ = strings.Cut(want, "\n")
	run.compare(steps[1], want, subscriber.line())
	subscriber.interrupt()
	if _, err := subscriber.wait(); err != nil {
		t.Errorf("boreas subscribe at Ctrl+C: %v", err)
	}
	run.end()
}

// portIn returns the default port that a line of the server's start stands for, or "".
func portIn(line string) string {
	switch {
	case strings.HasPrefix(line, "API endpoint"):
		return ":8001"
	case strings.HasPrefix(line, "WebSocket endpoint"):
		return ":8002"
	}
	return ""
}
