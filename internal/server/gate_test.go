package server

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

func ask(h http.Handler, path, origin string) (status int, retry, body string) {
	r := httptest.NewRequest("GET", path, nil)
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	b, _ := io.ReadAll(w.Result().Body)
	return w.Code, w.Result().Header.Get("Retry-After"), strings.TrimSpace(string(b))
}

// TestAcceptRate: connections over accept_rate get 503 with a time to wait, before any other check.
// Clause 8.7.
func TestAcceptRate(t *testing.T) {
	passed := 0
	g := newGate(gateOptions{perSecond: 10}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed++ }))
	refused := 0
	seen := map[string]bool{}
	for i := range 1000 {
		path := []string{"/", "/v2", "/v2/events"}[i%3]
		status, retry, body := ask(g, path, "")
		if status == http.StatusOK {
			continue
		}
		refused++
		seen[retry] = true
		if n, err := strconv.Atoi(retry); status != http.StatusServiceUnavailable || err != nil || n < 1 || n > refusedSpread {
			t.Fatalf("%s: %d, Retry-After %q", path, status, retry)
		}
		want := `{"error":{"code":"overloaded","message":"More new connections arrive than the server accepts per second (accept_rate). Reconnect after the number of seconds in Retry-After.","retry":"later","docs":"docs/errors.md#overloaded","retry_after_ms":` + retry + `000}}`
		if path == "/" {
			want = "More new connections arrive than the server accepts per second (accept_rate). Reconnect after the number of seconds in Retry-After."
		}
		if diff := cmp.Diff(want, body); diff != "" {
			t.Fatal(diff)
		}
	}
	// A slow machine may accept a few more in the meantime.
	if passed < 10 || refused == 0 || uint64(refused) != g.count.tooFast.Load() || passed+refused != 1000 {
		t.Errorf("%d passed, %d refused, %d counted", passed, refused, g.count.tooFast.Load())
	}
	if refused > 100 && len(seen) < 2 {
		t.Errorf("all clients must wait the same time: %v", seen)
	}
}

// clauses 8.7, 10.8
func TestOrigins(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "in") })
	for _, c := range []struct {
		option, origin string
		in             bool
	}{
		{"*", "https://a.example", true},
		{"https://a.example", "https://a.example", true},
		{"https://a.example, http://b.example:3000", "http://B.example:3000", true},
		{"https://a.example", "http://a.example", false},
		{"https://a.example", "null", false},
		{"https://a.example", "", true}, // not from a page
	} {
		allowed := new(liveOrigins)
		allowed.set(config.Config{AllowOrigin: c.option})
		g := newGate(gateOptions{origins: allowed}, next)
		status, _, body := ask(g, "/v2", c.origin)
		if in := body == "in"; in != c.in || !in && (status != http.StatusForbidden || !strings.Contains(body, "origin_not_allowed")) {
			t.Errorf("allow_origin %q, origin %q: %d %s", c.option, c.origin, status, body)
		}
		if c.origin != "" {
			if _, ok := g.origins.get().header(c.origin); ok != c.in {
				t.Errorf("allow_origin %q, origin %q: header %v", c.option, c.origin, ok)
			}
		}
	}
}
