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

// patience is the timeout of all waits. Only a failing test uses it up.
const patience = time.Minute

// A process is a program that runs beside the test, as in a terminal of its own.
type process struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // its output, closed at its end
}

// start runs a shell command in the root of the repository. It adds variables to the test's
// environment.
func start(t *testing.T, command string, environment ...string) *process {
	t.Helper()
	cmd := exec.Command("sh", "-c", "exec "+command)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), environment...)
	// Ctrl+C in a terminal reaches a process group, so the process needs its own.
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

// bannerLine returns the next line of a server's output that is not from its log, which is written beside
// the banner.
func (p *process) bannerLine() string {
	p.t.Helper()
	for {
		if line := p.line(); !strings.HasPrefix(line, "time=") {
			return line
		}
	}
}

// line returns the next line of the process's output.
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
	// A prompt comes before a line, or after a line if another thread of wsdump was faster.
	prompts = regexp.MustCompile(`^(> )+|(> )+$`)
)

// shown returns the next line of wsdump, without colours and prompts. It skips the server's pings
// and heartbeats, which may come at any time.
func (p *process) shown() string {
	p.t.Helper()
	for {
		line := prompts.ReplaceAllString(colours.ReplaceAllString(p.line(), ""), "")
		if line != "< b''" && line != `< {"heartbeat":{}}` {
			return line
		}
	}
}

// field returns the next line of an event stream that is neither a comment nor blank.
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

// interrupt sends Ctrl+C.
func (p *process) interrupt() {
	p.t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// wait waits for the end of the process and returns the rest of its output.
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

// stopped waits for a server after Ctrl+C, and fails the test unless the server stopped in order.
// It ignores the exit status, which is that of the go command: 1 if that command handled the signal
// before the server ended, otherwise 0.
func (p *process) stopped() {
	p.t.Helper()
	if rest, err := p.wait(); !strings.HasSuffix(strings.TrimSpace(rest), "msg=stopped") {
		p.t.Errorf("server at Ctrl+C: %v, after printing %q", err, rest)
	}
}
