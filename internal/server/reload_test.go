package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/testca"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// reloadable loads a configuration from the text of a file, with free ports.
func reloadable(t *testing.T, file, text string) config.Config {
	t.Helper()
	text += "\napi_port = 0\nws_port = 0\ndrain_time = 0\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Input{Flags: map[string]string{"config": file}})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestReload: each option that can change takes effect at once, on a channel in use too.
func TestReload(t *testing.T) {
	for _, engine := range []string{"memory", "disk"} {
		t.Run(engine, func(t *testing.T) {
			log, told := testlog.New()
			level := new(slog.LevelVar)
			file := filepath.Join(t.TempDir(), "boreas.toml")
			store := ""
			if engine == "disk" {
				store = fmt.Sprintf("data_dir = %q\n", t.TempDir())
			}
			s := start(t, reloadable(t, file, store+"require_auth = false\naddress_requests = 1000"), Options{Log: log, LogLevel: level})
			subscribe(t, s, "news")
			for range 3 {
				if status, body := call(t, s, "POST", "/v2/channels/news/messages", `1`); status != http.StatusCreated {
					t.Fatal(status, body)
				}
			}
			told.Reset()
			next := reloadable(t, file, store+"require_auth = true\naddress_requests = 999\nlog_level = 'error'\nallow_origin = 'https://a.example'\nrules = 'news history_messages=1 max_subscribers=1'")
			if err := s.Reload(next); err != nil {
				t.Fatal(err)
			}
			want := []string{
				`level=WARN msg="an option of the new configuration needs a restart; until then the old value stays in force" option=require_auth old=false new=true`,
				`level=INFO msg="an option has changed" option=allow_origin old=* new=https://a.example`,
				`level=INFO msg="an option has changed" option=log_level old=info new=error`,
				`level=INFO msg="an option has changed" option=address_requests old=1000 new=999`,
				`level=INFO msg="an option has changed" option=rules old="" new="news history_messages=1 max_subscribers=1"`,
				`level=INFO msg="the configuration has been reloaded, and with it the files of certificates and JWT keys" config=` + file + ` changed=4 need_restart=1`,
			}
			if diff := cmp.Diff(byLine(want), byLine(told.Lines())); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
			if level.Level() != slog.LevelError {
				t.Errorf("the level of the log is %v", level.Level())
			}
			if got := s.Hub().Stats().Engine.Publications; got != 1 {
				t.Errorf("the history has %d messages, want 1", got)
			}
			if got := s.Hub().Rule("news").MaxSubscribers; got != 1 {
				t.Errorf("max_subscribers is %d", got)
			}
			if s.origins.get().allow("https://b.example") {
				t.Error("pages of another origin may still connect")
			}
			_, body := call(t, s, "GET", "/v2/config", "")
			for _, part := range []string{
				`{"name":"require_auth","value":"false","from":"file"}`, `{"name":"log_level","value":"error","from":"file"}`,
				`{"name":"allow_origin","value":"https://a.example","from":"file"}`, `{"name":"address_requests","value":"999","from":"file"}`,
			} {
				if !strings.Contains(body, part) {
					t.Errorf("/v2/config lacks %s", part)
				}
			}
		})
	}
}

// byLine makes the order of lines irrelevant.
func byLine(lines []string) map[string]int {
	all := make(map[string]int)
	for _, line := range lines {
		all[line]++
	}
	return all
}

// TestReloadOfLimits: a client is refused by the new limit.
func TestReloadOfLimits(t *testing.T) {
	file := filepath.Join(t.TempDir(), "boreas.toml")
	s := start(t, reloadable(t, file, "unlimited_addresses = ''\naddress_requests = 1000"), Options{})
	refused := func(n int) bool {
		for range n {
			if status, _ := call(t, s, "GET", "/v2/caller", ""); status == http.StatusTooManyRequests {
				return true
			}
		}
		return false
	}
	if refused(10) {
		t.Fatal("refused by the old limit")
	}
	if err := s.Reload(reloadable(t, file, "unlimited_addresses = ''\naddress_requests = 1")); err != nil {
		t.Fatal(err)
	}
	if !refused(1000) {
		t.Error("the new limit has no effect")
	}
}

// TestReloadReadsKeysAndCertificates: the files of JWT keys and certificates are read at once. An
// invalid file of keys changes nothing at all.
func TestReloadReadsKeysAndCertificates(t *testing.T) {
	a := testca.New()
	dir := t.TempDir()
	cert, key := writePair(t, a.Issue("localhost", time.Hour))
	secret := filepath.Join(dir, "secret")
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(secret, strings.Repeat("a", 64))
	file := filepath.Join(dir, "boreas.toml")
	text := fmt.Sprintf("jwt_keys = 'hs256:%s'\nws_tls_cert = %q\nws_tls_key = %q\n", secret, cert, key)
	s := start(t, reloadable(t, file, text), Options{})
	serial := func() string {
		c, err := tls.Dial("tcp", s.WSAddr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	second := a.Issue("localhost", time.Hour)
	write(cert, string(second.Cert))
	write(key, string(second.Key))

	write(secret, "")
	if err := s.Reload(reloadable(t, file, text+"log_level = 'debug'")); err == nil || !strings.Contains(err.Error(), "hs256:"+secret) {
		t.Errorf("an empty secret: %v", err)
	}
	if got := s.inForce.Load().LogLevel; got != "info" {
		t.Errorf("log_level is %s after an error", got)
	}
	write(secret, strings.Repeat("b", 64))
	if err := s.Reload(reloadable(t, file, text)); err != nil {
		t.Error(err)
	}
	if serial() == before {
		t.Error("the server still has the old certificate")
	}
}

// TestReloadOfManyRules: the log does not repeat a thousand rules.
func TestReloadOfManyRules(t *testing.T) {
	log, told := testlog.New()
	file := filepath.Join(t.TempDir(), "boreas.toml")
	s := start(t, reloadable(t, file, ""), Options{Log: log})
	told.Reset()
	var rules strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&rules, "room%d.* latest\n", i)
	}
	if err := s.Reload(reloadable(t, file, "rules = '''\n"+rules.String()+"'''")); err != nil {
		t.Fatal(err)
	}
	for _, line := range told.Lines() {
		if len(line) > 2*maxLogged+200 || strings.Contains(line, "option=rules") && !strings.Contains(line, "room0.* latest; room1.*") {
			t.Errorf("%d bytes: %.100s", len(line), line)
		}
	}
}
