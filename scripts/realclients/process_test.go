//go:build unix

package realclients

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must come. It is only ever used up
// by a test that fails.
const patience = time.Minute

// A process is a program that runs on while the test goes on, as in a terminal of
// its own.
type process struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // what it prints, closed at its end
}

// start runs a shell's command line in the root of the repository. It gets the
// environment of the test and what is added.
func start(t *testing.T, command string, environment ...string) *process {
	t.Helper()
	cmd := exec.Command("sh", "-c", "exec "+command)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), environment...)
	// A process group of its own is what Ctrl+C in a terminal reaches.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	p := &process{t: t, name: command, cmd: cmd, stdin: stdin, lines: make(chan string, 1024)}
	go func() {
		defer close(p.lines)
		defer output.Close()
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			p.wait()
		}
	})
	return p
}

// line returns the next line that the process prints.
func (p *process) line() string {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			p.t.Fatalf("%s: ended, and printed nothing more", p.name)
		}
		return line
	case <-time.After(patience):
		p.t.Fatalf("%s: printed nothing for %v", p.name, patience)
	}
	return ""
}

var (
	colours = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)
	// Before a line, and after one whose end another thread of wsdump comes before.
	prompts = regexp.MustCompile(`^(> )+|(> )+$`)
)

// shown returns the next line that wsdump shows, without its colours and prompts,
// and without what comes whenever it is time: the server's pings and heartbeats.
func (p *process) shown() string {
	p.t.Helper()
	for {
		line := prompts.ReplaceAllString(colours.ReplaceAllString(p.line(), ""), "")
		if line != "< b''" && line != `< {"heartbeat":{}}` {
			return line
		}
	}
}

// field returns the next line of a stream of events that is neither a comment nor blank.
func (p *process) field() string {
	p.t.Helper()
	for {
		if line := p.line(); line != "" && line[0] != ':' {
			return line
		}
	}
}

func (p *process) enter(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// interrupt is Ctrl+C.
func (p *process) interrupt() {
	p.t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// wait waits for the end of the process and returns the rest of what it printed.
func (p *process) wait() (rest string, err error) {
	p.t.Helper()
	overdue := time.AfterFunc(patience, func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) })
	defer overdue.Stop()
	var all []string
	for line := range p.lines {
		all = append(all, line)
	}
	return strings.Join(all, "\n"), p.cmd.Wait()
}

// stopped waits for a server at Ctrl+C, and fails the test unless it stopped in order. The exit status is that of the go command, which
// is 1 if it looked at the signal before the server ended, and 0 if not.
func (p *process) stopped() {
	p.t.Helper()
	if rest, err := p.wait(); !strings.HasSuffix(strings.TrimSpace(rest), "msg=stopped") {
		p.t.Errorf("server at Ctrl+C: %v, after printing %q", err, rest)
	}
}
