package api_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
)

func notFound() string { return errorAnswer(404, "There is nothing at this path.") }

func notAllowed(allow string) string {
	return strings.Replace(errorAnswer(405, "This path accepts only "+allow+"."), "\n", "\nAllow: "+allow+"\n", 1)
}

func TestPathsAndMethods(t *testing.T) {
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/token/", jsonAnswer(200, `{"tokens": []}`)},
		{"PUT", "/token/", notAllowed("GET, HEAD, POST")},
		{"DELETE", "/token/", notAllowed("GET, HEAD, POST")},
		{"OPTIONS", "/token/", notAllowed("GET, HEAD, POST")},
		{"GET", "/token", notFound()},
		{"POST", "/token", notFound()},
		{"GET", "/token/x", notAllowed("DELETE")},
		{"DELETE", "/token/x", errorAnswer(404, "There is no such token.")},
		{"DELETE", "/token/x/", notFound()},
		{"GET", "/ch1/token/", jsonAnswer(200, `{"tokens": []}`)},
		{"POST", "/ch1/token/", notAllowed("GET, HEAD")},
		{"GET", "/ch1/token", notFound()},
		{"GET", "/ch1/ch2/token/", notFound()},
		{"GET", "/broadcast/ch1/", notAllowed("POST")},
		{"HEAD", "/broadcast/ch1/", notAllowed("POST")},
		{"POST", "/broadcast/ch1", notFound()},
		{"POST", "/broadcast/", notFound()},
		{"POST", "/broadcast/a/b/", notFound()},
		{"GET", "/debug/token-dump", textAnswer(200, "")},
		{"GET", "/debug/token-dump/", notFound()},
		{"POST", "/debug/token-dump", notAllowed("GET, HEAD")},
		{"POST", "/debug/recipient-dump", notAllowed("GET, HEAD")},
		{"POST", "/broadcast//", errorAnswer(400, "Not a channel name: it is empty.")},
		{"GET", "//token/", errorAnswer(400, "Not a channel name: it is empty.")},
		{"PUT", "/broadcast/token/", notAllowed("GET, HEAD, POST")},
		{"GET", "/broadcast//token/", notFound()},
		{"GET", "//healthz", notFound()},
		{"GET", "/x/../healthz", notFound()},
		{"GET", "/", notFound()},
		{"GET", "/nothing", notFound()},
		{"GET", "/healthz", textAnswer(200, "ok\n")},
		{"POST", "/healthz", notAllowed("GET, HEAD")},
		{"GET", "/readyz", textAnswer(200, "ok\n")},
		{"POST", "/metrics", notAllowed("GET, HEAD")},
	} {
		r := newRig(t, boreas.Options{}, api.Options{Debug: true})
		if diff := cmp.Diff(c.want, r.do(c.method, c.path, "")); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.method, c.path, diff)
		}
	}
}

func TestDebugPathsAreAbsentWithoutDebug(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	for _, path := range []string{"/debug/token-dump", "/debug/recipient-dump"} {
		if diff := cmp.Diff(notFound(), r.do("GET", path, "")); diff != "" {
			t.Errorf("GET %s (-want +got):\n%s", path, diff)
		}
	}
}

func TestReadyzReportsTheReason(t *testing.T) {
	var reason error
	r := newRig(t, boreas.Options{}, api.Options{Ready: func() error { return reason }})
	if diff := cmp.Diff(textAnswer(200, "ok\n"), r.do("GET", "/readyz", "")); diff != "" {
		t.Errorf("ready (-want +got):\n%s", diff)
	}
	reason = errors.New("shutting down")
	if diff := cmp.Diff(textAnswer(503, "shutting down\n"), r.do("GET", "/readyz", "")); diff != "" {
		t.Errorf("not ready (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(textAnswer(200, "ok\n"), r.do("GET", "/healthz", "")); diff != "" {
		t.Errorf("healthy though not ready (-want +got):\n%s", diff)
	}
}

func TestWebPagesOfOtherOriginsAreRefused(t *testing.T) {
	refused := errorAnswer(http.StatusForbidden, "Web pages of other origins may not use this API.")
	created := jsonAnswer(200, `{"token": "T"}`)
	for _, c := range []struct {
		headers []string
		want    string
	}{
		{nil, created}, // curl, and every other client that is not a browser
		{[]string{"Content-Type", "application/x-www-form-urlencoded"}, created},
		{[]string{"Sec-Fetch-Site", "none"}, created},
		{[]string{"Sec-Fetch-Site", "same-origin"}, created},
		{[]string{"Sec-Fetch-Site", "same-site"}, refused},
		{[]string{"Sec-Fetch-Site", "cross-site"}, refused},
		{[]string{"Origin", "http://example.com"}, created}, // an old browser, with the host of the test's requests
		{[]string{"Origin", "http://elsewhere.example"}, refused},
		{[]string{"Origin", "null"}, refused},
	} {
		r := newRig(t, boreas.Options{}, api.Options{})
		got := r.do("POST", "/token/", "", c.headers...)
		for _, token := range r.authority.All() {
			got = strings.Replace(got, token, "T", 1)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("POST /token/ with %q (-want +got):\n%s", c.headers, diff)
		}
		if c.want == refused {
			if diff := cmp.Diff(refused, r.do("DELETE", "/token/x", "", c.headers...)); diff != "" {
				t.Errorf("DELETE /token/x with %q (-want +got):\n%s", c.headers, diff)
			}
			if got := r.authority.All(); len(got) > 0 {
				t.Errorf("a refused request made tokens %q", got)
			}
		}
	}
}
