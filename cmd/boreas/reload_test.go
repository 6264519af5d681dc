//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestHangup: SIGHUP reads the file again. An invalid file changes nothing, and the log says why.
func TestHangup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "boreas.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("drain_time = 0\nlog_level = 'info'\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("auth_url = 'https://h/?key=hidden1'\n")
	p := newProcess(t, "--config="+file, "--api-port=0", "--ws-port=0")
	if _, err := startServer(p.cmd); err != nil {
		t.Fatal(err)
	}
	write("auth_url = 'https://h/?key=hidden2'\nrules = 'news latest'\nmax_channels = 5\n")
	p.signal(syscall.SIGHUP)
	p.waitFor("changed=1 need_restart=2")
	write("rules = 'news lates'\nlog_lvel = 'debug'\nuser_requests = 3\n")
	p.signal(syscall.SIGHUP)
	p.waitFor("there is no word")
	p.waitFor("there is no option log_lvel")
	write("rules = 'news'\n")
	p.signal(syscall.SIGHUP)
	p.waitFor("changed=1 need_restart=1")
	p.signal(syscall.SIGTERM)
	code, said := p.exit()
	if code != exitOK {
		t.Errorf("exit code %d\n%s", code, said)
	}
	for _, part := range []string{
		`level=INFO msg="an option has changed" option=rules old="" new="news latest"`,
		`level=WARN msg="an option of the new configuration needs a restart; until then the old value stays in force" option=max_channels old=1000 new=5`,
		`option=auth_url old="(not shown)" new="(not shown)"`,
		`level=ERROR msg="SIGHUP: the new configuration is not valid, so nothing has changed" error="` + file + `:3: rules: `,
		`option=rules old="news latest" new=news`,
	} {
		if !strings.Contains(said, part) {
			t.Errorf("the log lacks %s", part)
		}
	}
	if strings.Contains(said, "hidden") || strings.Contains(said, "option=user_requests") {
		t.Error("the log shows a secret, or an option of an invalid file")
	}
	if t.Failed() {
		t.Log(said)
	}
}
