package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
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
		if err := goleak.Find(natstest.Goroutines()...); err != nil {
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
	runScripts(t, "testdata/script", map[string]func(*testscript.TestScript, bool, []string){"server": scriptServer})
}

func runScripts(t *testing.T, dir string, commands map[string]func(*testscript.TestScript, bool, []string)) {
	testscript.Run(t, testscript.Params{
		Dir:           dir,
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds:          commands,
		Setup: func(e *testscript.Env) error {
			// By default, every program with the race detector sleeps for a second before it exits.
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
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

// startLimit is how long a server may take until it has printed its banner. The machine may be very busy.
const startLimit = 2 * time.Minute

// startServer starts cmd and returns when the server has printed its banner. A server that does not
// within startLimit is killed.
func startServer(cmd *exec.Cmd) (*served, error) { return startServerWithin(cmd, startLimit) }

func startServerWithin(cmd *exec.Cmd, limit time.Duration) (*served, error) {
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
	late := time.AfterFunc(limit, func() { cmd.Process.Kill() })
	defer late.Stop()
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

// TestStartServerThatDoesNotStart: a server that waits for ever fails the test that starts it.
func TestStartServerThatDoesNotStart(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // never accepts
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	cmd := exec.Command("boreas", "--api-port=0", "--ws-port=0", "--token-provider=http://"+silent.Addr().String())
	cmd.Dir = t.TempDir()
	if _, err := startServerWithin(cmd, time.Second); err == nil || !strings.Contains(err.Error(), "the server did not start: signal: killed") {
		t.Errorf("got %v", err)
	}
}
