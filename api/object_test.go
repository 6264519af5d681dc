package api_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
)

// A change that cannot be stored has no effect.
func TestStoreFails(t *testing.T) {
	a, err := auth.Open(auth.Options{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, api.Options{Authority: a})
	text, key := g.makeKey("operator", auth.KeyAdmin)
	g.key = key.ID
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	classic := errorAnswer(500, "The server could not make a token; its log says why.")
	classicRevoke := errorAnswer(500, "The server could not revoke the token; its log says why.")
	v2 := strings.Replace(failure(500, "internal", "The server failed; its log says why.", ""), "\nX-", "\nRetry-After: 1\nX-", 1)
	for _, to := range targets {
		want := v2
		switch to.pattern {
		case "POST /token/":
			want = classic
		case "DELETE /token/{token}":
			want = classicRevoke
		case "POST /v2/tokens", "PATCH /v2/tokens/{id}", "DELETE /v2/tokens/{id}", "POST /v2/revocations", "DELETE /v2/revocations", "POST /v2/keys", "DELETE /v2/keys/{id}":
		default:
			continue
		}
		method, path := g.request(to)
		if diff := cmp.Diff(want, g.do(method, path, to.body, "Authorization", "Bearer "+text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", to.pattern, diff)
		}
	}
	if !strings.Contains(g.log.String(), "the server is shutting down") {
		t.Errorf("the log does not say why:\n%s", &g.log)
	}
}

// The size of the body is limited on each route that reads one.
func TestBodiesAreBounded(t *testing.T) {
	for _, to := range targets {
		if to.body == "" || strings.HasPrefix(to.pattern, "POST /broadcast/") {
			continue
		}
		g := newGate(t, api.Options{MaxBody: 10})
		method, path := g.request(to)
		for _, c := range []struct{ got, want string }{
			{g.do(method, path, `{"x":"`+strings.Repeat("x", 10)+`"}`), failure(413, "too_large", "The body is larger than 10 bytes.", "")},
			{g.broken(method, path, os.ErrDeadlineExceeded), failure(408, "timeout", "The body did not arrive within 10s.", "")},
			{g.broken(method, path, errors.New("cut")), failure(400, "malformed", "The body ended early, or its framing is not valid HTTP.", "")},
		} {
			if diff := cmp.Diff(strings.Replace(c.want, "\n", "\nConnection: close\n", 1), c.got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", to.pattern, diff)
			}
		}
	}
}

// broken sends a request with a body that cannot be read.
func (r *rig) broken(method, path string, err error) string {
	req := httptest.NewRequest(method, path, http.NoBody)
	req.Body = io.NopCloser(iotest.ErrReader(err))
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, req)
	return answer(rec.Result())
}
