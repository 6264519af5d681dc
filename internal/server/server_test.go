package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testConfig returns the default configuration with free ports and the given changes.
func testConfig(change func(*config.Config)) config.Config {
	cfg := config.Default()
	cfg.APIPort, cfg.WSPort, cfg.DrainTime = 0, 0, 0
	if change != nil {
		change(&cfg)
	}
	return cfg
}

// start starts a server that is shut down at the end of the test.
func start(t *testing.T, cfg config.Config, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// call sends a request to the API, and returns the status and the body.
func call(t *testing.T, s *Server, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+s.APIAddr().String()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// subscribe connects, authenticates with a new token and joins the channel.
func subscribe(t *testing.T, s *Server, channel string) *wstest.Conn {
	t.Helper()
	_, body := call(t, s, "POST", "/token/", "")
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	c := wstest.Dial(t, "ws://"+s.WSAddr().String())
	c.Send(`{"access_token": "`+answer.Token+`"}`, `{"channels": {"join": ["`+channel+`"], "leave": []}}`)
	waitUntil(t, func() bool { return len(s.Hub().ChannelIdentities(channel)) == 1 })
	return c
}

// waitUntil waits until ask returns true.
func waitUntil(t *testing.T, ask func() bool) {
	t.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !ask() {
		<-again.C
		if t.Context().Err() != nil {
			t.Fatal("the condition did not become true")
		}
	}
}

func TestServes(t *testing.T) {
	s := start(t, testConfig(nil), Options{})
	c := subscribe(t, s, "news")
	if status, body := call(t, s, "POST", "/broadcast/news/", `{"payload": {"n": 1}}`); status != 200 || body != "" {
		t.Fatal(status, body)
	}
	c.Want(`{"message": {"n": 1}, "channel": "news"}`)
	for path, want := range map[string]string{
		"/readyz":  "ok\n",
		"/metrics": "\nboreas_ws_ignored_total{what=\"message\"} 0\n",
	} {
		if status, body := call(t, s, "GET", path, ""); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d without %q:\n%s", path, status, want, body)
		}
	}
}

// closing is an engine that counts calls of Close.
type closing struct {
	engine.Engine
	closed int
}

func (c *closing) Close() error {
	c.closed++
	return c.Engine.Close()
}

func TestTakesAnotherEngineAndClosesIt(t *testing.T) {
	eng := &closing{Engine: memory.New(memory.Options{})}
	s, err := Start(t.Context(), testConfig(nil), Options{Engine: eng})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := call(t, s, "POST", "/broadcast/news/", `{"payload": 1}`); status != 200 {
		t.Fatal(status, body)
	}
	h, err := eng.Read(t.Context(), "news", engine.Position{}, engine.Limit{Messages: 10})
	if err != nil || len(h.Publications) != 1 {
		t.Errorf("the engine has %d publications, %v; want 1", len(h.Publications), err)
	}
	if err := s.Shutdown(t.Context()); err != nil || eng.closed != 1 {
		t.Errorf("Shutdown: %v, and it closed the engine %d times, want once", err, eng.closed)
	}
}

// TestOptionsArrive sets options to values with visible effects.
func TestOptionsArrive(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("first\nsecond\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, testConfig(func(c *config.Config) {
		c.TokenProvider = "file:" + tokens
		c.RequireAuth = false
		c.MaxBody = 1024
		c.MaxMessage = 1024
		c.MaxConnections = 1
		c.MaxChannels = 1
		c.HistoryMessages = 0
	}), Options{})

	if _, body := call(t, s, "GET", "/debug/token-dump", ""); body != "first\nsecond\n" {
		t.Errorf("tokens %q", body)
	}
	if status, _ := call(t, s, "POST", "/broadcast/a/", `{"payload": "`+strings.Repeat("x", 1024)+`"}`); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d", status)
	}

	c := wstest.Dial(t, "ws://"+s.WSAddr().String())
	c.Send(`{"channels": {"join": ["a", "b"], "leave": []}}`) // without a token
	waitUntil(t, func() bool { return len(s.Hub().ChannelIdentities("a")) == 1 && s.Hub().Stats().JoinsRefused == 1 })
	if _, err := wstest.Connect("ws://"+s.WSAddr().String(), wstest.Options{}); wstest.Status(err) != http.StatusServiceUnavailable {
		t.Error("a second connection:", err)
	}
	if status, _ := call(t, s, "POST", "/broadcast/a/", `{"payload": 1}`); status != 200 {
		t.Error(status)
	}
	c.Want(`{"message": 1, "channel": "a"}`)
	c.Send(strings.Repeat(" ", 1025))
	c.WantClosed(1009)
	if kept := s.Hub().Stats().Engine.Publications; kept != 0 {
		t.Errorf("history has %d publications", kept)
	}
}

func TestBanner(t *testing.T) {
	var banner bytes.Buffer
	s := start(t, testConfig(nil), Options{Banner: &banner})
	want := "Using `boreas.utils.tokens:no_tokens` to get authentication tokens...\n" +
		"Done. Loaded 0 tokens.\n" +
		"Configuring servers...\n" +
		"Running in debug mode. Available debug urls are:\n" +
		"\t- /debug/token-dump\n" +
		"\t- /debug/recipient-dump\n" +
		"API endpoint configured to listen on " + s.APIAddr().String() + "\n" +
		"WebSocket endpoint configured to listen on " + s.WSAddr().String() + "\n" +
		"Running...\n" +
		"The operator's page is at http://" + s.APIAddr().String() + "/ui\n"
	if diff := cmp.Diff(want, banner.String()); diff != "" {
		t.Error(diff)
	}
}

func TestBannerWithoutAuthAndDebug(t *testing.T) {
	var banner, log bytes.Buffer
	cfg := testConfig(func(c *config.Config) {
		c.TokenProvider, c.RequireAuth, c.Debug, c.WSHost = "exec:echo one #http://u:secret@h/", false, false, "localhost"
		c.LogFormat = "json"
	})
	s := start(t, cfg, Options{Banner: &banner, Log: NewLogger(&log, cfg, LogOptions{})})
	_, wsPort, err := net.SplitHostPort(s.WSAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	want := "Using `exec:echo one #http://REDACTED@h/` to get authentication tokens...\n" +
		"Done. Loaded 1 tokens.\n" +
		"Configuring servers...\n" +
		"WARNING: require_auth is off: users need not authenticate to join channels.\n" +
		"API endpoint configured to listen on " + s.APIAddr().String() + "\n" +
		"WebSocket endpoint configured to listen on localhost:" + wsPort + "\n" +
		"Running...\n" +
		"The operator's page is at http://" + s.APIAddr().String() + "/ui\n"
	if diff := cmp.Diff(want, banner.String()); diff != "" {
		t.Error(diff)
	}
	if status, _ := call(t, s, "GET", "/debug/token-dump", ""); status != http.StatusNotFound {
		t.Errorf("debug URL: %d", status)
	}
	if !strings.Contains(log.String(), `"level":"WARN","msg":"require_auth is off: users need not authenticate"`) {
		t.Error(log.String())
	}
}

func TestNewLogger(t *testing.T) {
	var log bytes.Buffer
	cfg := config.Default()
	cfg.LogLevel = "warn"
	l := NewLogger(&log, cfg, LogOptions{})
	l.Info("unheard")
	l.Warn("heard")
	if got := log.String(); !strings.HasSuffix(got, " level=WARN msg=heard\n") || strings.Contains(got, "unheard") {
		t.Error(got)
	}
	if !l.Enabled(t.Context(), slog.LevelError) {
		t.Error("errors are not logged")
	}
}
