package asset

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFile compares the whole responses of a file to all kinds of requests.
func TestFile(t *testing.T) {
	type response struct {
		Status int
		Header http.Header
		Body   string
	}
	content := bytes.Repeat([]byte("body{} "), 100)
	f := New("text/css", content)
	do := func(method string, header http.Header) response {
		r := httptest.NewRequest(method, "/x.css", nil)
		r.Header = header
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		body := w.Body.Bytes()
		if w.Header().Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
			w.Header().Set("Content-Length", "smaller")
		}
		return response{w.Code, w.Header(), string(body)}
	}
	header := func(more ...string) http.Header {
		h := http.Header{"X-Content-Type-Options": {"nosniff"}}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = []string{more[i+1]}
		}
		return h
	}
	of := func(tag string) []string {
		return []string{"Cache-Control", "no-cache", "Vary", "Accept-Encoding", "Etag", tag}
	}
	plain, gzipped := of(f.plain.tag), of(f.gzipped.tag)
	if f.plain.tag == f.gzipped.tag {
		t.Errorf("both forms have the ETag %s", f.plain.tag)
	}
	for name, test := range map[string]struct {
		method string
		header http.Header
		want   response
	}{
		"plain":                 {"GET", nil, response{200, header(append(plain, "Content-Type", "text/css", "Content-Length", "700")...), string(content)}},
		"compressed":            {"GET", http.Header{"Accept-Encoding": {"gzip, br"}}, response{200, header(append(gzipped, "Content-Type", "text/css", "Content-Encoding", "gzip", "Content-Length", "smaller")...), string(content)}},
		"no gzip":               {"GET", http.Header{"Accept-Encoding": {"gzip;q=0, br"}}, response{200, header(append(plain, "Content-Type", "text/css", "Content-Length", "700")...), string(content)}},
		"unchanged":             {"GET", http.Header{"If-None-Match": {"W/" + f.plain.tag}}, response{304, header(plain...), ""}},
		"unchanged, compressed": {"GET", http.Header{"If-None-Match": {`"other", W/` + f.gzipped.tag}, "Accept-Encoding": {"gzip"}}, response{304, header(gzipped...), ""}},
		"the other form":        {"GET", http.Header{"If-None-Match": {f.gzipped.tag}}, response{200, header(append(plain, "Content-Type", "text/css", "Content-Length", "700")...), string(content)}},
		"any":                   {"GET", http.Header{"If-None-Match": {"*"}}, response{304, header(plain...), ""}},
		"changed":               {"GET", http.Header{"If-None-Match": {`"other"`}}, response{200, header(append(plain, "Content-Type", "text/css", "Content-Length", "700")...), string(content)}},
		"POST":                  {"POST", nil, response{405, header("Allow", "GET, HEAD", "Content-Type", "text/plain; charset=utf-8"), "This path accepts only GET and HEAD.\n"}},
	} {
		if diff := cmp.Diff(test.want, do(test.method, test.header)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
