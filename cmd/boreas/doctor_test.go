package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
