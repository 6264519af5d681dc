package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/testport"
)

func TestDoctorGivesAdvice(t *testing.T) {
	// A server that gives the same answer to every request, like a proxy without a server.
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer proxy.Close()
	host := proxy.Listener.Addr().String()
	args := fmt.Sprintf("doctor --api=%s --ws=ws://%s", proxy.URL, host)
	got := started{args: args}.run(t)
	want := outcome{
		Exit: 1,
		Stdout: `ok       tls          HOST is on this machine and needs no TLS
FAILED   api          a proxy answers 502 Bad Gateway: it does not reach the server
                      Start the server behind the proxy, and check that the proxy uses the correct port.
skipped  ready        the API cannot be reached
skipped  key          the API cannot be reached
skipped  clock        the API cannot be reached
FAILED   websocket    a proxy answers 502 Bad Gateway: it does not reach the server
                      Start the server behind the proxy, and check that the proxy uses the correct port.
skipped  origin       no --origin was given
warning  events       not checked: there is no token, and the API cannot make one
                      Give a token with --token-file, or a key with the verb tokens.
skipped  descriptors  the API cannot be reached, or does not accept the key
skipped  token        no token was given
`,
		Stderr: "boreas: 2 checks failed\n",
	}
	got.Stdout = strings.ReplaceAll(got.Stdout, host, "HOST")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	got = started{args: args + " --json"}.run(t)
	first, _, _ := strings.Cut(strings.ReplaceAll(got.Stdout, host, "HOST"), "\n")
	if want := `{"check":"tls","level":"ok","text":"HOST is on this machine and needs no TLS"}`; first != want || got.Exit != 1 {
		t.Errorf("got %s and exit %d, want %s", first, got.Exit, want)
	}
}

// TestQuickDoctor checks a server in its own process. The exit code is 0 or 1 in every case, because
// container engines reserve others.
func TestQuickDoctor(t *testing.T) {
	held, err := testport.Hold(2)
	if err != nil {
		t.Fatal(err)
	}
	defer held[0].Release()
	defer held[1].Release()
	dir := t.TempDir()
	file := filepath.Join(dir, "boreas.toml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "api_port = %d\nws_port = %d\ndrain_time = 0\n", held[0].Port, held[1].Port), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken.toml")
	if err := os.WriteFile(broken, []byte("api_prot = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("boreas", "--config="+file)
	if _, err := startServer(server); err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		server.Process.Kill()
		server.Wait()
	})
	defer stop()

	check := func(args string, env []string, want outcome) {
		t.Helper()
		got := started{args: args, env: env}.run(t)
		got.Stdout, got.Stderr = strings.ReplaceAll(got.Stdout, held[0].Addr(), "API"), strings.ReplaceAll(got.Stderr, held[0].Addr(), "API")
		got.Stderr = strings.ReplaceAll(got.Stderr, broken, "FILE")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
	ready := outcome{Stdout: "the server at API is ready\n"}
	check("doctor --quick", []string{"BOREAS_CONFIG=" + file}, ready)
	check("doctor --quick --config="+file, []string{"HTTP_PROXY=http://127.0.0.1:1"}, ready)
	check(fmt.Sprintf("doctor --quick --api-port=%d", held[0].Port), nil, ready)
	check("doctor --quick --config="+broken, nil, outcome{Exit: 1, Stderr: "boreas: the configuration is not valid, so the server cannot be found: FILE:1: there is no option api_prot; did you mean api_port?\n"})
	check("doctor --quick --json", nil, outcome{Exit: 1, Stderr: "boreas: --json has no effect with --quick, which finds the server in its configuration: leave out one of them\n"})
	check("doctor --api-port=1", nil, outcome{Exit: 2, Stderr: "boreas: --api-port needs --quick; a check from outside takes the URLs --api and --ws\n"})
	stop()
	check("doctor --quick --config="+file, nil, outcome{Exit: 1, Stderr: "boreas: the server at API cannot be reached: dial tcp API: connect: connection refused\n"})
}
