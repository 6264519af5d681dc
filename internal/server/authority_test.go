package server

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// TestWhereTheAPINeedsAKey starts servers on the loopback address and on all addresses: without a
// key, with a key, and with api_insecure.
func TestWhereTheAPINeedsAKey(t *testing.T) {
	withKey := t.TempDir()
	authority, err := auth.Open(auth.Options{DataDir: withKey})
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := authority.CreateKey(auth.Key{Name: "backend", Verbs: auth.KeyPublish})
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.Close(); err != nil {
		t.Fatal(err)
	}
	const refused = "the API on ADDRESS can be reached by other machines and has no key: make one with `boreas key new NAME --data-dir=%s`%s; " +
		"or give one with --admin-key=file:PATH; or let only this machine reach it with --api-host=127.0.0.1; or use --api-insecure to let everyone publish and make tokens"
	empty := t.TempDir()
	for name, c := range map[string]struct {
		host, dir string
		insecure  bool
		want      string // the error of the start, or the status of a publish without a key and with it
	}{
		"loopback":             {"127.0.0.1", "", false, "201 401"},
		"loopback, a key":      {"127.0.0.1", withKey, false, "401 201"},
		"all":                  {"0.0.0.0", "", false, fmt.Sprintf(refused, "DIR", ", and start with --data-dir=DIR")},
		"all, no key":          {"0.0.0.0", empty, false, fmt.Sprintf(refused, empty, " (this directory is new: if you have made keys before, they are in another data_dir)")},
		"all, a key":           {"0.0.0.0", withKey, false, "401 201"},
		"all, insecure":        {"0.0.0.0", "", true, "201 401"},
		"all, a key, insecure": {"0.0.0.0", withKey, true, "401 201"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(func(*config.Config) {})
			cfg.APIHost, cfg.DataDir, cfg.APIInsecure = c.host, c.dir, c.insecure
			s, err := Start(t.Context(), cfg, Options{})
			if err != nil {
				got := err.Error()
				if i := strings.Index(got, " can be"); i > 0 {
					got = "the API on ADDRESS" + got[i:]
				}
				if got != c.want {
					t.Errorf("got %s\nwant %s", got, c.want)
				}
				return
			}
			defer s.Shutdown(t.Context())
			_, port, _ := strings.Cut(strings.TrimPrefix(s.APIAddr().String(), "[::]"), ":")
			statuses := ""
			for _, credential := range []string{"", "Bearer " + key} {
				r, err := http.NewRequestWithContext(t.Context(), "POST", "http://127.0.0.1:"+port+"/v2/channels/a/messages", strings.NewReader("1"))
				if err != nil {
					t.Fatal(err)
				}
				if credential != "" {
					r.Header.Set("Authorization", credential)
				}
				response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
				statuses += fmt.Sprint(response.StatusCode) + " "
			}
			if got := strings.TrimSpace(statuses); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestStartErrors: if something cannot be opened, the server does not start, and closes its
// ports.
func TestStartErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*config.Config)
		want   string
	}{
		"a directory that is a file": {func(c *config.Config) { c.DataDir = file }, file},
		"a short secret":             {func(c *config.Config) { c.JWTKeys = "hs256:" + file }, "32"},
		"invalid rules":              {func(c *config.Config) { c.JWTKeys, c.JWTDefaultRules = "file:"+file, "[" }, ""},
	} {
		if _, err := Start(t.Context(), testConfig(c.change), Options{}); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
}

// TestUntrustedProxyIsLogged: an untrusted proxy is logged once.
func TestUntrustedProxyIsLogged(t *testing.T) {
	for trusted, want := range map[string]int{"": 1, "127.0.0.1": 0} {
		logger, log := testlog.New()
		cfg := testConfig(func(c *config.Config) { c.TrustedProxies = trusted })
		s, err := Start(t.Context(), cfg, Options{Log: logger})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.WSAddr().String()+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Forwarded-For", "192.0.2.1")
			response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
		}
		s.Shutdown(t.Context())
		if got := strings.Count(log.String(), "X-Forwarded-For is ignored"); got != want {
			t.Errorf("trusted %q: logged %d times, want %d: %s", trusted, got, want, log.String())
		}
	}
}
