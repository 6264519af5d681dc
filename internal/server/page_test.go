package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/js"
)

// TestClientScript: the subscribers' port serves the browser client to pages of any origin, and
// closes the connection.
func TestClientScript(t *testing.T) {
	s := start(t, testConfig(nil), Options{})
	resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(httptest.NewRequest("GET", "http://"+s.WSAddr().String()+"/boreas.js", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != string(js.Source) || !resp.Close {
		t.Errorf("%d bytes, %v, close: %t", len(b), err, resp.Close)
	}
	got := make(map[string]string)
	for _, name := range []string{"Content-Type", "Access-Control-Allow-Origin", "Cross-Origin-Resource-Policy", "X-Content-Type-Options"} {
		got[name] = resp.Header.Get(name)
	}
	want := map[string]string{
		"Content-Type": "text/javascript; charset=utf-8", "Access-Control-Allow-Origin": "*",
		"Cross-Origin-Resource-Policy": "cross-origin", "X-Content-Type-Options": "nosniff",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPage: the API's port serves the operator's page, unless the option is off, and other paths as
// without it.
func TestPage(t *testing.T) {
	const html, notFound = "200 text/html; charset=utf-8", "404 application/json"
	for _, on := range []bool{true, false} {
		cfg := testConfig(nil)
		cfg.UI = on
		s := start(t, cfg, Options{})
		want := map[string]string{"/ui": notFound, "/": notFound, "/ui/x": notFound, "/healthz": "200 text/plain; charset=utf-8"}
		if on {
			want["/ui"], want["/"] = html, html
		}
		got := make(map[string]string)
		for path := range want {
			r := httptest.NewRequest("GET", "http://"+s.APIAddr().String()+path, nil)
			r.Header.Set("Accept", "text/html")
			resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			got[path] = resp.Status[:3] + " " + resp.Header.Get("Content-Type")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ui=%t (-want +got):\n%s", on, diff)
		}
	}
}

// TestUnknownPathsBelowV2: an unknown path below /v2 has an error in the form of protocol 2
// (clause 8.7).
func TestUnknownPathsBelowV2(t *testing.T) {
	s := start(t, testConfig(nil), Options{})
	for path, want := range map[string]string{"/v2/x": "application/json", "/x": "text/plain; charset=utf-8"} {
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(httptest.NewRequest("GET", "http://"+s.WSAddr().String()+path, nil))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusNotFound || got != want {
			t.Errorf("%s: %d, %s", path, resp.StatusCode, got)
		}
	}
}

// TestWelcome: a browser that requests / on the subscribers' port gets a page, and every other client
// the same as without it.
func TestWelcome(t *testing.T) {
	s := start(t, testConfig(nil), Options{})
	for name, c := range map[string]struct {
		method, path string
		header       map[string]string
		want         string
	}{
		"browser":               {"GET", "/", map[string]string{"Accept": "text/html,*/*"}, "200 text/html; charset=utf-8"},
		"browser, HEAD":         {"HEAD", "/", map[string]string{"Accept": "text/html"}, "200 text/html; charset=utf-8"},
		"browser, another path": {"GET", "/x", map[string]string{"Accept": "text/html"}, "404 text/plain; charset=utf-8"},
		"curl":                  {"GET", "/", map[string]string{"Accept": "*/*"}, "426 text/plain; charset=utf-8"},
		"a form":                {"POST", "/", map[string]string{"Accept": "text/html"}, "405 text/plain; charset=utf-8"},
		"a WebSocket": {"GET", "/", map[string]string{
			"Accept": "text/html", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
		}, "101 "},
	} {
		r := httptest.NewRequest(c.method, "http://"+s.WSAddr().String()+c.path, nil)
		for name, value := range c.header {
			r.Header.Set(name, value)
		}
		resp, err := (&http.Transport{DisableKeepAlives: c.want != "101 "}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		var body []byte
		if name == "browser" {
			body, _ = io.ReadAll(resp.Body)
		}
		resp.Body.Close()
		if got := resp.Status[:3] + " " + resp.Header.Get("Content-Type"); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
		if name == "browser" && (len(body) == 0 || !resp.Close || resp.Header.Get("Content-Security-Policy") == "") {
			t.Errorf("%s: %d bytes, close %t, header %v", name, len(body), resp.Close, resp.Header)
		}
	}
}
