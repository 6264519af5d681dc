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
	known := []string{"Cache-Control", "no-cache", "Vary", "Accept-Encoding", "Etag", f.tag}
	for name, test := range map[string]struct {
		method string
		header http.Header
		want   response
	}{
		"plain":      {"GET", nil, response{200, header(append(known, "Content-Type", "text/css", "Content-Length", "700")...), string(content)}},
		"compressed": {"GET", http.Header{"Accept-Encoding": {"gzip, br"}}, response{200, header(append(known, "Content-Type", "text/css", "Content-Encoding", "gzip", "Content-Length", "smaller")...), string(content)}},
		"unchanged":  {"GET", http.Header{"If-None-Match": {"W/" + f.tag}}, response{304, header(known...), ""}},
		"any":        {"GET", http.Header{"If-None-Match": {"*"}}, response{304, header(known...), ""}},
		"changed":    {"GET", http.Header{"If-None-Match": {`"other"`}}, response{200, header(append(known, "Content-Type", "text/css", "Content-Length", "700")...), string(content)}},
		"POST":       {"POST", nil, response{405, header("Allow", "GET, HEAD", "Content-Type", "text/plain; charset=utf-8"), "This path accepts only GET and HEAD.\n"}},
	} {
		if diff := cmp.Diff(test.want, do(test.method, test.header)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	for accept, want := range map[string]bool{
		"gzip": true, "br, GZIP ;q=0.5": true, "deflate, *": true, "x-gzip": true, "gzip;q=1.000": true,
		"gzip;q=0": false, "gzip; q=0.0, *": false, "*;q=0": false, "*;q=0, gzip": true, "identity": false, "gzipped": false, "gzip;q=x": false, "": false,
		"identity, gzip;q=0.5": false, "gzip;q=0.5, identity;q=0.5": true, "gzip;q=0.5, identity;q=0.4": true, "identity;q=0.5, *;q=0.4": false,
		"identity;q=0, *": true, "gzip;level=1;q=0": false,
	} {
		if got := acceptsGzip([]string{accept}); got != want {
			t.Errorf("acceptsGzip(%q) = %t, want %t", accept, got, want)
		}
	}
}
