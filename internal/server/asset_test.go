package server

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/boreas-pubsub/boreas/js"
)

func TestClientScript(t *testing.T) {
	s := start(t, testConfig(nil), Options{})
	url := "http://" + s.WSAddr().String() + "/boreas.js"
	get := func(set func(http.Header)) *http.Response {
		t.Helper()
		r := httptest.NewRequest("GET", url, nil)
		r.RequestURI = ""
		set(r.Header)
		resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	plain := get(func(http.Header) {})
	b, _ := io.ReadAll(plain.Body)
	if string(b) != string(js.Source) || plain.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || plain.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d bytes, %v", len(b), plain.Header)
	}
	zipped := get(func(h http.Header) { h.Set("Accept-Encoding", "gzip") })
	z, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(z); string(b) != string(js.Source) {
		t.Error("the decompressed file is different")
	}
	for accept, want := range map[string]string{
		"gzip": "gzip", "br, GZIP ;q=0.5": "gzip", "deflate, *": "gzip", "x-gzip": "gzip", "gzip;q=1.000": "gzip",
		"gzip;q=0": "", "gzip; q=0.0, *": "", "*;q=0": "", "*;q=0, gzip": "gzip", "identity": "", "gzipped": "", "gzip;q=x": "", "": "",
		"identity, gzip;q=0.5": "", "gzip;q=0.5, identity;q=0.5": "gzip", "gzip;q=0.5, identity;q=0.4": "gzip", "identity;q=0.5, *;q=0.4": "",
		"identity;q=0, *": "gzip", "gzip;level=1;q=0": "",
	} {
		if got := get(func(h http.Header) { h.Set("Accept-Encoding", accept) }).Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: Content-Encoding is %q, want %q", accept, got, want)
		}
	}
	if got := get(func(h http.Header) { h.Set("If-None-Match", plain.Header.Get("ETag")) }); got.StatusCode != http.StatusNotModified {
		t.Errorf("the status for an unchanged file is %d", got.StatusCode)
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
