//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// process is a `boreas` process. Tests can wait for lines of its log.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *bufio.Reader
	said strings.Builder // the log so far
}

func newProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command("boreas", args...)}
	p.cmd.Dir = t.TempDir()
	stderr, w := io.Pipe()
	p.cmd.Stderr = w
	p.log = bufio.NewReader(stderr)
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		stderr.Close()
		p.cmd.Wait()
	})
	return p
}

// waitFor reads the log until a line contains the text.
func (p *process) waitFor(part string) {
	p.t.Helper()
	for {
		line, err := p.log.ReadString('\n')
		p.said.WriteString(line)
		if err != nil {
			p.t.Fatalf("%v, waiting for %q in\n%s", err, part, p.said.String())
		}
		if strings.Contains(line, part) {
			return
		}
	}
}

// exit waits for the process to exit. It returns the exit code and the standard error.
func (p *process) exit() (int, string) {
	p.t.Helper()
	go func() {
		p.cmd.Wait()
		p.cmd.Stderr.(*io.PipeWriter).Close()
	}()
	rest, _ := io.ReadAll(p.log)
	p.said.Write(rest)
	return p.cmd.ProcessState.ExitCode(), p.said.String()
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func TestSignalEnds(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			p := newProcess(t, "--api-port=0", "--ws-port=0")
			if _, err := startServer(p.cmd); err != nil {
				t.Fatal(err)
			}
			p.signal(s)
			code, said := p.exit()
			if code != exitOK || !strings.Contains(said, "exit code 1\" reason="+s.String()+" ") || !strings.HasSuffix(said, " msg=stopped\n") {
				t.Errorf("exit code %d\n%s", code, said)
			}
		})
	}
}

// TestSecondSignal delays the shutdown after the first signal by a publish that does not end.
func TestSecondSignal(t *testing.T) {
	p := newProcess(t, "--api-port=0", "--ws-port=0")
	s, err := startServer(p.cmd)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", s.api)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "POST /broadcast/x/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
	if line, err := bufio.NewReader(c).ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatal(line, err)
	}
	p.signal(syscall.SIGTERM)
	p.waitFor("shutting down; a second signal ends the process at once, with exit code 1")
	p.signal(syscall.SIGINT)
	code, said := p.exit()
	if code != exitFailed || !strings.Contains(said, "boreas: stopped by a second signal before all sessions had ended\n") {
		t.Errorf("exit code %d\n%s", code, said)
	}
}

// TestShutdownDelay: after the first signal, the server is not ready but still serves. The second
// signal only ends the delay.
func TestShutdownDelay(t *testing.T) {
	p := newProcess(t, "--api-port=0", "--ws-port=0", "--drain-time=0", "--shutdown-delay=1h")
	s, err := startServer(p.cmd)
	if err != nil {
		t.Fatal(err)
	}
	status := func(url string) int {
		response, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	p.signal(syscall.SIGTERM)
	p.waitFor("no longer ready, but still serving; a second signal begins the shutdown")
	for url, want := range map[string]int{
		"http://" + s.api + "/readyz": 503, "http://" + s.api + "/healthz": 200, "http://" + s.api + "/v2/stats": 200,
		"http://" + s.ws + "/readyz": 503, "http://" + s.ws + "/healthz": 200, "http://" + s.ws + "/boreas.js": 200,
	} {
		if got := status(url); got != want {
			t.Errorf("%s: %d, want %d", url, got, want)
		}
	}
	p.signal(syscall.SIGTERM)
	if code, said := p.exit(); code != exitOK || !strings.HasSuffix(said, " msg=stopped\n") {
		t.Errorf("exit code %d\n%s", code, said)
	}
}

// TestSignalWhileStarting sends a signal while a slow token provider runs.
func TestSignalWhileStarting(t *testing.T) {
	p := newProcess(t, "--api-port=0", "--ws-port=0", "--token-provider=exec:sleep 600")
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "Using `exec:sleep 600` to get authentication tokens...\n" {
		t.Fatal(line, err)
	}
	p.signal(syscall.SIGTERM)
	if code, said := p.exit(); code != exitFailed || said != "boreas: stopped by a signal (terminated) while starting\n" {
		t.Errorf("exit code %d\n%s", code, said)
	}
}

// TestRunEndsWithItsContext runs the server inside the test process.
func TestRunEndsWithItsContext(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	r, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"boreas", "--api_port=0", "--ws_port=0"}, nil, nil, stdout, &log)
	}()
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "Running...\n" {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil || !strings.HasSuffix(log.String(), " msg=stopped\n") {
		t.Errorf("%v\n%s", err, log.String())
	}
}

func TestExitCode(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{usagef("x"), 2},
		{fmt.Errorf("y: %w", usagef("x")), 2},
	} {
		if got := exitCode(test.err); got != test.want {
			t.Errorf("exitCode(%v) = %d, want %d", test.err, got, test.want)
		}
	}
}
