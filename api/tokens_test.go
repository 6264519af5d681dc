package api_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/api"
)

func TestTokenLists(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	r.subscribe(t, "")
	r.subscribe(t, "B", "ch1", "a/b")
	r.subscribe(t, "A", "ch1")
	r.subscribe(t, "A", "ch1", "token", "broadcast", "debug")
	r.subscribe(t, `quo"te`, "żółw")
	for path, want := range map[string]string{
		"/token/":                     `{"tokens": ["A", "B", "quo\"te"]}`,
		"/ch1/token/":                 `{"tokens": ["A", "A", "B"]}`,
		"/a%2Fb/token/":               `{"tokens": ["B"]}`,
		"/a/token/":                   `{"tokens": []}`,
		"/token/token/":               `{"tokens": ["A"]}`,
		"/broadcast/token/":           `{"tokens": ["A"]}`,
		"/broadcast/%74oken/":         `{"tokens": ["A"]}`,
		"/debug/token/":               `{"tokens": ["A"]}`,
		"/healthz/token/":             `{"tokens": []}`,
		"/%C5%BC%C3%B3%C5%82w/token/": `{"tokens": ["quo\"te"]}`,
	} {
		if diff := cmp.Diff(jsonAnswer(200, want), r.do("GET", path, "")); diff != "" {
			t.Errorf("GET %s (-want +got):\n%s", path, diff)
		}
	}
	want := errorAnswer(400, "Not a channel name: control character U+0007 at byte 1.")
	if diff := cmp.Diff(want, r.do("GET", "/a%07/token/", "")); diff != "" {
		t.Errorf("GET /a%%07/token/ (-want +got):\n%s", diff)
	}
}

func TestCreateToken(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	if diff := cmp.Diff(jsonAnswer(200, `{"token": "token-1"}`), r.do("POST", "/token/", "")); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"token-1"}, r.tokens.All()); diff != "" {
		t.Errorf("valid tokens (-want +got):\n%s", diff)
	}
}

type brokenTokens struct{ tokens }

func (*brokenTokens) Mint() (string, error) { return "", errors.New("no randomness") }

func TestCreateTokenFails(t *testing.T) {
	var log bytes.Buffer
	r := newRig(t, boreas.Options{}, api.Options{
		Tokens: &brokenTokens{},
		Log:    slog.New(slog.NewTextHandler(&log, nil)),
	})
	want := errorAnswer(500, "The server could not make a token; its log says why.")
	if diff := cmp.Diff(want, r.do("POST", "/token/", "")); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if !strings.Contains(log.String(), "no randomness") {
		t.Errorf("the log does not say why: %s", &log)
	}
}

// forgetting is a token store that looks at the hub when it forgets a token.
type forgetting struct {
	tokens
	hub  **boreas.Hub
	then []string // who was there at that moment
}

func (f *forgetting) Delete(token string) bool {
	f.then = (*f.hub).Identities()
	return f.tokens.Delete(token)
}

func TestDeleteToken(t *testing.T) {
	var hub *boreas.Hub
	store := &forgetting{hub: &hub}
	r := newRig(t, boreas.Options{}, api.Options{Tokens: store, Debug: true})
	hub = r.hub
	r.do("POST", "/token/", "")
	r.do("POST", "/token/", "")
	r.subscribe(t, "token-1", "ch1", "ch2")
	r.subscribe(t, "token-1", "ch1")
	r.subscribe(t, "token-2", "ch1")

	if diff := cmp.Diff("204\n\n", r.do("DELETE", "/token/token-1", "")); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"token-1", "token-2"}, store.then); diff != "" {
		t.Errorf("identities when the store forgot the token: its sessions must go after (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"token-2"}, store.All()); diff != "" {
		t.Errorf("valid tokens (-want +got):\n%s", diff)
	}
	want := "RECEIVER POOL REPORT\nanonymous: 2\nauthenticated:\n\t - token-2: 1\nchannels:\n\t - ch1: 1\n"
	if diff := cmp.Diff(textAnswer(200, want), r.do("GET", "/debug/recipient-dump", "")); diff != "" {
		t.Errorf("sessions after it (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(errorAnswer(404, "There is no such token."), r.do("DELETE", "/token/token-1", "")); diff != "" {
		t.Errorf("deleting it again (-want +got):\n%s", diff)
	}
}

func TestDebugDumps(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{Debug: true})
	dump := "RECEIVER POOL REPORT\nanonymous: 0\nauthenticated:\n\t---\nchannels:\n \t---\n"
	if diff := cmp.Diff(textAnswer(200, dump), r.do("GET", "/debug/recipient-dump", "")); diff != "" {
		t.Errorf("nobody (-want +got):\n%s", diff)
	}
	r.do("POST", "/token/", "")
	r.do("POST", "/token/", "")
	if diff := cmp.Diff(textAnswer(200, "token-1\ntoken-2\n"), r.do("GET", "/debug/token-dump", "")); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
	r.subscribe(t, "")
	r.subscribe(t, "token-2", "b", "<b>")
	r.subscribe(t, "token-1", "b")
	r.subscribe(t, "token-1")
	dump = "RECEIVER POOL REPORT\nanonymous: 1\nauthenticated:\n\t - token-1: 2\n\t - token-2: 1\nchannels:\n\t - <b>: 1\n\t - b: 2\n"
	if diff := cmp.Diff(textAnswer(200, dump), r.do("GET", "/debug/recipient-dump", "")); diff != "" {
		t.Errorf("some (-want +got):\n%s", diff)
	}
}
