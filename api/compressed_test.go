package api_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/ssetest"
)

// decoded returns the decoded body of an answer of rig.do.
func decoded(t *testing.T, coding, answer string) string {
	t.Helper()
	_, body, _ := strings.Cut(answer, "\n\n")
	var in io.Reader
	var err error
	switch coding {
	case "":
		return body
	case "gzip":
		in, err = gzip.NewReader(strings.NewReader(body))
	}
	if err != nil {
		t.Fatalf("%v: %.300q", err, answer)
	}
	text, err := io.ReadAll(in)
	if err != nil {
		t.Fatalf("%v: %.300q", err, answer)
	}
	return string(text)
}

// fill publishes messages to the channel a.
func (r *rig) fill(n, size int) {
	r.t.Helper()
	for i := range n {
		data := fmt.Appendf(nil, `{"id":%d,"text":"%s"}`, i, strings.Repeat("Hello, everyone! ", size/17))
		if _, err := r.hub.Publish(context.Background(), "a", engine.Message{Data: data}); err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestCompressedAnswers compares whole answers with the plain one, for all that a client may accept.
func TestCompressedAnswers(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	r.fill(40, 300)
	const path = "/v2/channels/a/messages?limit=40"
	plain := r.do("GET", path, "")
	if !strings.HasPrefix(plain, "200\nContent-Type: application/json\nVary: Accept-Encoding\nX-Content-Type-Options: nosniff\n\n{") {
		t.Fatalf("plain: %.300s", plain)
	}
	for accept, coding := range map[string]string{
		"gzip": "gzip", "zstd": "", "gzip, deflate, br, zstd": "gzip", "zstd, gzip;q=0.1": "gzip", "identity;q=0.2, gzip;q=0.1": "",
		"*": "gzip", "": "", "identity": "", "br": "", "gzip;q=0": "", "identity;q=0": "",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			got := r.do(method, path, "", "Accept-Encoding", accept)
			if coding == "" {
				if got != plain {
					t.Errorf("%s, %q: %.300q", method, accept, got)
				}
				continue
			}
			_, body, _ := strings.Cut(got, "\n\n")
			want := fmt.Sprintf("200\nContent-Encoding: %s\nContent-Length: %d\nContent-Type: application/json\nVary: Accept-Encoding\nX-Content-Type-Options: nosniff\n\n", coding, len(body))
			if head := strings.TrimSuffix(got, body); head != want {
				t.Errorf("%s, %q: got %s, want %s", method, accept, head, want)
			}
			if len(body) > len(plain)/10 {
				t.Errorf("%s: %d bytes are now %d", coding, len(plain), len(body))
			}
			if diff := cmp.Diff(decoded(t, "", plain), decoded(t, coding, got)); diff != "" {
				t.Errorf("%s (-want +got):\n%.500s", accept, diff)
			}
		}
	}
	if got := exchange(t, r, "HEAD "+path+" HTTP/1.1\nHost: localhost\nAccept-Encoding: gzip\n\n"); !regexp.MustCompile(`^200\nContent-Encoding: gzip\nContent-Length: \d+\nContent-Type: application/json\nVary: Accept-Encoding\nX-Content-Type-Options: nosniff\n\n$`).MatchString(got) {
		t.Errorf("HEAD: %q", got)
	}
}

// TestAnswersThatStayPlain: small ones, those of a publish, those that would not become smaller, and
// all if the option says so.
func TestAnswersThatStayPlain(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	for _, request := range [][3]string{
		{"POST", "/v2/channels/a/messages", "1"}, {"GET", "/v2/channels", ""}, {"GET", "/healthz", ""}, {"GET", "/nothing", ""}, {"PUT", "/v2/channels", ""},
	} {
		got := r.do(request[0], request[1], request[2], "Accept-Encoding", "gzip, zstd")
		if strings.Contains(got, "Content-Encoding") || strings.Contains(got, "Vary") {
			t.Errorf("%s %s: %s", request[0], request[1], got)
		}
	}
	r = newRig(t, boreas.Options{}, api.Options{Uncompressed: true})
	r.fill(40, 300)
	for _, path := range []string{"/v2/channels/a/messages", "/metrics", "/v2/tail"} {
		if got := r.do("GET", path, "", "Accept-Encoding", "gzip, zstd"); strings.Contains(got, "Content-Encoding") || strings.Contains(got, "Accept-Encoding") {
			t.Errorf("uncompressed, %s: %.300s", path, got)
		}
	}
}

// TestCompressedAnswersHoldMemory: without memory for a second copy, the answer is plain. While the
// client reads, only the compressed answer counts.
func TestCompressedAnswersHoldMemory(t *testing.T) {
	r := newRig(t, boreas.Options{PeerMemory: 1 << 20}, api.Options{})
	r.fill(60, 4000)
	w := &heldWriter{ResponseRecorder: httptest.NewRecorder(), hub: r.hub}
	get := func() string {
		w.ResponseRecorder, w.most = httptest.NewRecorder(), 0
		req := httptest.NewRequest("GET", "/v2/channels/a/messages", nil)
		req.Header.Set("Accept-Encoding", "gzip")
		r.api.ServeHTTP(w, req)
		return w.Header().Get("Content-Encoding")
	}
	if coding := get(); coding != "gzip" || w.most > 20_000 {
		t.Errorf("coding %q, and %d bytes were held", coding, w.most)
	}
	other := r.hub.Held(boreas.HeldAnswer, netip.Addr{}, "")
	other.Keep(600 << 10)
	if coding := get(); coding != "" || w.most < 240_000 {
		t.Errorf("without memory: coding %q, and %d bytes were held", coding, w.most)
	}
	other.Keep(0)
	if n := r.hub.Stats().Held.Bytes; n != 0 {
		t.Errorf("%d bytes are still held", n)
	}
}

// heldWriter notes how many bytes the hub holds while it writes.
type heldWriter struct {
	*httptest.ResponseRecorder
	hub  *boreas.Hub
	most int64
}

func (w *heldWriter) Write(p []byte) (int, error) {
	w.most = max(w.most, w.hub.Stats().Held.Answer)
	return w.ResponseRecorder.Write(p)
}

func TestCompressedMetrics(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	got := r.do("GET", "/metrics", "", "Accept-Encoding", "gzip")
	if strings.Count(got, "Content-Encoding: gzip\n") != 1 || !strings.Contains(got, "\nContent-Type: text/plain") || !strings.Contains(got, "\nVary: Accept, Accept-Encoding\n") || !strings.Contains(decoded(t, "gzip", got), "\nboreas_api_dry_runs_total 0\n") {
		t.Errorf("%.500q", got)
	}
}

// TestCompressedTail: each event reaches the reader at once, and the stream ends with the end of its
// compression.
func TestCompressedTail(t *testing.T) {
	r := toldRig(t, boreas.Options{})
	key, made := r.makeKey("k", auth.KeySessions)
	server := httptest.NewServer(r)
	defer server.Close()
	ask := func(accept string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/v2/tail?event=message", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", accept)
		req.Header.Set("Authorization", "Bearer "+key)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	if res := ask("zstd"); res.Header.Get("Content-Encoding") != "" || res.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("zstd: %v", res.Header)
	}
	res := ask("gzip")
	if res.Header.Get("Content-Encoding") != "gzip" || res.Header.Get("Vary") != "Accept-Encoding" {
		t.Fatalf("gzip: %v", res.Header)
	}
	z, err := gzip.NewReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	w := &tailReader{t, ssetest.New(z)}
	w.want(`hello {"time":"T"}`)
	for i := range 5 {
		r.fill(1, 100*i)
		if got := w.next(); !strings.HasPrefix(got, `message {"time":"T","channel":"a"`) {
			t.Errorf("got %s", got)
		}
	}
	if _, err := r.authority.Revoke(auth.Revocation{Key: made.ID}); err != nil {
		t.Fatal(err)
	}
	r.fill(1, 1)
	if got := w.next(); !strings.HasPrefix(got, `end {"code":`) {
		t.Errorf("got %s", got)
	}
	if e, err := w.events.Read(); err != io.EOF {
		t.Errorf("after the end: %+v, %v", e, err)
	}
}
