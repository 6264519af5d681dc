package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// TestMain runs main if this test binary is called `boreas`, for scripts and for tests that start
// processes.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"boreas": main})
}

// leakChecked fails a test run that leaves goroutines behind.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// TestScripts runs the program as users do. The scripts have one additional command, `server
// [FLAG...]`. It starts a server on free ports, sets $BOREAS_API_URL and $BOREAS_WS_URL, and stops
// the server at the end of the script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"server": scriptServer},
	})
}

func scriptServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("server cannot be negated: use ! exec boreas")
	}
	cmd := exec.Command("boreas", append([]string{"serve", "--api-port=0", "--ws-port=0", "--drain-time=0"}, args...)...)
	cmd.Dir = ts.Getenv("WORK")
	cmd.Env = []string{"PATH=" + ts.Getenv("PATH")}
	s, err := startServer(cmd)
	ts.Check(err)
	ts.Defer(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	ts.Setenv("BOREAS_API_URL", "http://"+s.api)
	ts.Setenv("BOREAS_WS_URL", "ws://"+s.ws)
}

// served is a `boreas` server in its own process.
type served struct {
	banner  string
	api, ws string // addresses
}

// startServer starts cmd and returns when the server has printed its banner.
func startServer(cmd *exec.Cmd) (*served, error) {
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var stderr strings.Builder
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &served{}
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		s.banner += line
		if err != nil {
			io.Copy(io.Discard, stdout)
			return nil, fmt.Errorf("the server did not start: %v\n%s%s", cmd.Wait(), s.banner, stderr.String())
		}
		line = strings.TrimSuffix(line, "\n")
		if address, ok := strings.CutPrefix(line, "API endpoint configured to listen on "); ok {
			s.api = address
		}
		if address, ok := strings.CutPrefix(line, "WebSocket endpoint configured to listen on "); ok {
			s.ws = address
		}
		if line == "Running..." {
			return s, nil
		}
	}
}
