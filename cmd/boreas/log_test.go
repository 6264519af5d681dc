//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// piped starts a server whose log is written to a pipe.
func piped(t *testing.T, args ...string) (cmd *exec.Cmd, s *served, reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close(); writer.Close() })
	cmd = exec.Command("boreas", append([]string{"--api-port=0", "--ws-port=0", "--drain-time=0"}, args...)...)
	cmd.Dir, cmd.Stderr = t.TempDir(), writer
	if s, err = startServer(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, s, reader, writer
}

// fill writes to a pipe until it is full, and leaves it in blocking mode.
func fill(t *testing.T, pipe *os.File) {
	t.Helper()
	fd := int(pipe.Fd())
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	junk := make([]byte, 4096)
	for size := len(junk); size > 0; {
		_, err := syscall.Write(fd, junk[:size])
		if errors.Is(err, syscall.EAGAIN) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
}

// refuse makes the server log that it does not trust a client's X-Forwarded-For header.
func refuse(t *testing.T, s *served) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.ws+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
}

// goodbye sends the signals to the server and returns the close code that a session receives.
func goodbye(t *testing.T, cmd *exec.Cmd, s *served, signals ...os.Signal) int {
	t.Helper()
	c := wstest.Dial(t, "ws://"+s.ws+"/")
	for _, signal := range signals {
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	return wstest.Code(c.End())
}

// The reader of the log exits or stops reading. The server continues, and ends normally.
func TestServerOutlivesTheReaderOfItsLog(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(reader, writer *os.File)
	}{
		{"gone", func(reader, writer *os.File) { reader.Close(); writer.Close() }},
		{"stuck", func(_, writer *os.File) { fill(t, writer) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd, s, reader, writer := piped(t)
			c.lose(reader, writer)
			for range 3 {
				refuse(t, s)
			}
			cmd.Process.Signal(syscall.SIGHUP) // also logs a line
			if code := goodbye(t, cmd, s, syscall.SIGTERM); code != 1001 {
				t.Errorf("the session got the close code %d", code)
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A second signal ends the server at once, even if nothing reads the log.
func TestSecondSignalWhileTheLogIsStuck(t *testing.T) {
	cmd, s, _, writer := piped(t, "--drain-time=1h")
	fill(t, writer)
	wstest.Dial(t, "ws://"+s.ws+"/")
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Process.Signal(syscall.SIGINT)
	if cmd.Wait(); cmd.ProcessState.ExitCode() != exitFailed {
		t.Error(cmd.ProcessState)
	}
}

// The reader of the banner exits early or never reads. The server starts anyway.
func TestServerStartsWithoutAReaderOfItsBanner(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		p := newProcess(t, "--api-port=0", "--ws-port=0")
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		defer writer.Close()
		if p.cmd.Stdout = writer; stuck {
			fill(t, writer)
		} else {
			reader.Close()
		}
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		p.waitFor("msg=running")
		p.signal(syscall.SIGTERM)
		if code, said := p.exit(); code != exitOK {
			t.Errorf("stuck %v: exit code %d\n%s", stuck, code, said)
		}
	}
}

// TestHangupOfATerminal: a server without a file does not end when its terminal closes.
func TestHangupOfATerminal(t *testing.T) {
	p := newProcess(t, "--api-port=0", "--ws-port=0")
	if _, err := startServer(p.cmd); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p.signal(syscall.SIGHUP)
		p.waitFor("the configuration has been reloaded")
	}
	p.signal(syscall.SIGTERM)
	if code, said := p.exit(); code != exitOK || !strings.HasSuffix(said, " msg=stopped\n") {
		t.Errorf("exit code %d\n%s", code, said)
	}
}

// Libraries that use package log write to the same log, in the same form.
func TestPackageLog(t *testing.T) {
	defer func(l *slog.Logger, to io.Writer, flags int) {
		slog.SetDefault(l)
		log.SetOutput(to)
		log.SetFlags(flags)
	}(slog.Default(), log.Writer(), log.Flags())
	cfg := config.Default()
	cfg.LogFormat = "json"
	r, w := io.Pipe()
	p := &program{stdout: io.Discard, stderr: w}
	p.logInBackground(cfg)
	log.Print("from a library")
	var line struct{ Level, Msg string }
	if err := json.NewDecoder(bufio.NewReader(r)).Decode(&line); err != nil || line.Level != "WARN" || line.Msg != "from a library" {
		t.Errorf("%+v %v", line, err)
	}
	p.flush(flushLimit)
}

// With log_format=json every line on standard error is JSON, including the last one.
func TestEveryLineIsJSON(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	cmd := exec.Command("boreas", "--log-format=json", "--ws-port=0", "--api-port="+port)
	cmd.Dir = t.TempDir()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	cmd.Run()
	var last struct{ Level, Msg string }
	for line := range strings.Lines(stderr.String()) {
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Errorf("%v: %s", err, line)
		}
	}
	if code := cmd.ProcessState.ExitCode(); code != exitFailed || last.Level != "ERROR" || !strings.Contains(last.Msg, "another program has this port") {
		t.Errorf("exit code %d\n%s", code, stderr.String())
	}
}

// Dropped lines are reported at every log level.
func TestDroppedLine(t *testing.T) {
	for level, want := range map[string]string{"debug": "WARN", "warn": "WARN", "error": "ERROR"} {
		cfg := config.Default()
		cfg.LogLevel = level
		if got := string(droppedLine(cfg, false, 7)); !strings.Contains(got, "level="+want+" ") || !strings.HasSuffix(got, " lines=7\n") {
			t.Errorf("%s: %s", level, got)
		}
	}
}

// `boreas subscribe news | head -1` ends as any tool does, and deletes its token.
func TestBrokenPipe(t *testing.T) {
	_, s, reader, _ := piped(t)
	go io.Copy(io.Discard, reader)
	for _, args := range [][]string{
		{"subscribe", "--last=5", "--api=http://" + s.api, "--ws=ws://" + s.ws, "news"},
		{"version"},
		{"--help"},
		{"config"},
	} {
		if response, err := http.Post("http://"+s.api+"/broadcast/news/", "application/json", strings.NewReader(`{"payload": 1}`)); err != nil || response.StatusCode != 200 {
			t.Fatal(response, err)
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		cmd := exec.Command("boreas", args...)
		var stderr strings.Builder
		cmd.Stdout, cmd.Stderr, cmd.Dir = w, &stderr, t.TempDir()
		cmd.Run()
		w.Close()
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !ok || !status.Signaled() || status.Signal() != syscall.SIGPIPE || strings.Contains(stderr.String(), "pipe") {
			t.Errorf("%v: %v\n%s", args, cmd.ProcessState, stderr.String())
		}
	}
	response, err := http.Get("http://" + s.api + "/debug/token-dump")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if left, _ := io.ReadAll(response.Body); len(left) != 0 {
		t.Errorf("tokens are left: %s", left)
	}
}
