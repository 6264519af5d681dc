package api_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
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
	got := r.do("POST", "/token/", "")
	tokens := r.authority.All()
	if len(tokens) != 1 {
		t.Fatalf("valid tokens: %q", tokens)
	}
	if diff := cmp.Diff(jsonAnswer(200, `{"token": "`+tokens[0]+`"}`), got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if _, err := r.authority.Check(access.Credentials{Token: tokens[0]}); err != nil {
		t.Errorf("the token is not valid: %v", err)
	}
}

// broken returns an authority with a closed file.
func broken(t *testing.T) *auth.Authority {
	t.Helper()
	a, err := auth.Open(auth.Options{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestCreateTokenFails(t *testing.T) {
	logger, log := testlog.New()
	r := newRig(t, boreas.Options{}, api.Options{
		Authority: broken(t),
		Log:       logger,
	})
	want := errorAnswer(500, "The server could not make a token; its log says why.")
	if diff := cmp.Diff(want, r.do("POST", "/token/", "")); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if !strings.Contains(log.String(), "making a token failed") {
		t.Errorf("the log does not say why: %s", log)
	}
}

func TestDeleteToken(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{Debug: true})
	one, two := r.mint(), r.mint()
	r.subscribeWith(t, one, "ch1", "ch2")
	r.subscribeWith(t, one, "ch1")
	r.subscribeWith(t, two, "ch1")

	if diff := cmp.Diff("204\n\n", r.do("DELETE", "/token/"+one, "")); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{two}, r.authority.All()); diff != "" {
		t.Errorf("valid tokens (-want +got):\n%s", diff)
	}
	want := "RECEIVER POOL REPORT\nanonymous: 2\nauthenticated:\n\t - " + two + ": 1\nchannels:\n\t - ch1: 1\n"
	if diff := cmp.Diff(textAnswer(200, want), r.do("GET", "/debug/recipient-dump", "")); diff != "" {
		t.Errorf("sessions after it (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(errorAnswer(404, "There is no such token."), r.do("DELETE", "/token/"+one, "")); diff != "" {
		t.Errorf("deleting it again (-want +got):\n%s", diff)
	}
}

func TestDebugDumps(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{Debug: true})
	dump := "RECEIVER POOL REPORT\nanonymous: 0\nauthenticated:\n\t---\nchannels:\n \t---\n"
	if diff := cmp.Diff(textAnswer(200, dump), r.do("GET", "/debug/recipient-dump", "")); diff != "" {
		t.Errorf("nobody (-want +got):\n%s", diff)
	}
	one, two := r.mint(), r.mint()
	if diff := cmp.Diff(textAnswer(200, one+"\n"+two+"\n"), r.do("GET", "/debug/token-dump", "")); diff != "" {
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
