package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/testca"
)

// TestClientsOverTLS publishes and subscribes over https:// and wss:// with a private certificate
// authority, which SSL_CERT_FILE names.
func TestClientsOverTLS(t *testing.T) {
	dir := t.TempDir()
	a := testca.New()
	cert, key, err := a.Issue("localhost", time.Hour).Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, a.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command("boreas", args...)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SSL_CERT_FILE=" + ca}
		return cmd
	}
	serve := command("serve", "--api-port=0", "--ws-port=0", "--drain-time=0",
		"--api-tls-cert="+cert, "--api-tls-key="+key, "--ws-tls-cert="+cert, "--ws-tls-key="+key)
	s, err := startServer(serve)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		serve.Process.Kill()
		serve.Wait()
	}()
	if !strings.HasPrefix(s.api, "https://") || !strings.HasPrefix(s.ws, "wss://") {
		t.Fatalf("the banner has %s and %s", s.api, s.ws)
	}
	servers := []string{"BOREAS_API_URL=" + s.api, "BOREAS_WS_URL=" + s.ws}

	publish := command("publish", "news", `"over TLS"`)
	publish.Env = append(publish.Env, servers...)
	if out, err := publish.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	subscribe := command("subscribe", "news", "--last=1", "--count=1")
	subscribe.Env = append(subscribe.Env, servers...)
	out, err := subscribe.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "over TLS") {
		t.Fatalf("%v: %s", err, out)
	}

	if err := os.WriteFile(ca, testca.New().PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	// A client that does not trust the authority gets a clear error.
	stranger := command("publish", "news", `1`)
	stranger.Env = append(stranger.Env, servers...)
	out, err = stranger.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "x509: ") {
		t.Errorf("%v: %s", err, out)
	}
}
