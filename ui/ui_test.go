package ui

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// next answers as the API would.
var next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusTeapot)
	io.WriteString(w, "the API")
})

func do(method, path string, header http.Header) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	r.Header = header
	w := httptest.NewRecorder()
	Handler(next).ServeHTTP(w, r)
	return w.Result()
}

const browser = "text/html,application/xhtml+xml,*/*;q=0.8"

// TestPaths: the page takes its own paths and the root in a browser, and leaves all others to the API.
func TestPaths(t *testing.T) {
	const api = "418 "
	for _, test := range []struct{ method, path, accept, want string }{
		{"GET", "/ui", "", "200 text/html; charset=utf-8"},
		{"HEAD", "/ui", "", "200 text/html; charset=utf-8"},
		{"GET", "/ui/app.js", "", "200 text/javascript; charset=utf-8"},
		{"GET", "/ui/app.css", "", "200 text/css; charset=utf-8"},
		{"GET", "/ui/", "", "308 "},
		{"POST", "/ui", "", "405 text/plain; charset=utf-8"},
		{"GET", "/", browser, "200 text/html; charset=utf-8"},
		{"GET", "/", "*/*", api},
		{"GET", "/", "", api},
		{"POST", "/", browser, api},
		{"GET", "/ui/other", browser, api},
		{"GET", "/%75i", browser, api},
		{"GET", "/v2/stats", browser, api},
		{"POST", "/broadcast/ui/", "", api},
	} {
		resp := do(test.method, test.path, http.Header{"Accept": {test.accept}})
		if got := resp.Status[:3] + " " + resp.Header.Get("Content-Type"); got != test.want {
			t.Errorf("%s %s, Accept %q: %s, want %s", test.method, test.path, test.accept, got, test.want)
		}
	}
	if got := do("GET", "/ui/", nil).Header.Get("Location"); got != "../ui" {
		t.Errorf("Location: %s", got)
	}
}

// TestHeaders compares the security headers of each file, also when it has not changed.
func TestHeaders(t *testing.T) {
	want := http.Header{
		"Content-Security-Policy":      {"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Referrer-Policy":              {"no-referrer"},
		"X-Content-Type-Options":       {"nosniff"},
		"X-Frame-Options":              {"DENY"},
	}
	for _, path := range []string{"/", "/ui", "/ui/app.js", "/ui/app.css"} {
		first := do("GET", path, http.Header{"Accept": {browser}})
		again := do("GET", path, http.Header{"Accept": {browser}, "If-None-Match": {first.Header.Get("Etag")}})
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: the status for an unchanged file is %d", path, again.StatusCode)
		}
		for _, resp := range []*http.Response{first, again} {
			got := maps.Clone(resp.Header)
			maps.DeleteFunc(got, func(name string, _ []string) bool { return want[name] == nil })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, status %d (-want +got):\n%s", path, resp.StatusCode, diff)
			}
		}
	}
}

// TestPageIsSmall: a browser makes three requests, to this server only, and gets at most 40 KB.
func TestPageIsSmall(t *testing.T) {
	const most = 40_000
	total := 0
	for _, path := range []string{"/ui", "/ui/app.js", "/ui/app.css"} {
		resp := do("GET", path, http.Header{"Accept-Encoding": {"gzip"}})
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.Header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s: %v, %v", path, err, resp.Header)
		}
		total += len(body)
	}
	if total > most {
		t.Errorf("the page has %d bytes compressed, more than %d", total, most)
	}
	var found []string
	for word := range strings.FieldsFuncSeq(string(page), func(r rune) bool { return strings.ContainsRune(" <>\n", r) }) {
		if strings.HasPrefix(word, "href=") || strings.HasPrefix(word, "src=") {
			word, _, _ = strings.Cut(word, ",") // of the icon's URL
			found = append(found, word)
		}
	}
	if diff := cmp.Diff([]string{`href="data:image/svg+xml`, `href="ui/app.css"`, `src="ui/app.js"`}, found); diff != "" {
		t.Errorf("the files that the page loads (-want +got):\n%s", diff)
	}
	t.Logf("%d bytes", total)
}

// TestDistIsComplete: the folder of the built files has no other ones, which nobody would serve.
func TestDistIsComplete(t *testing.T) {
	entries, err := os.ReadDir("dist")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if want := []string{"app.css", "app.js", "index.html"}; !slices.Equal(names, want) {
		t.Errorf("dist has %v, want %v: run `make ui`", names, want)
	}
}
