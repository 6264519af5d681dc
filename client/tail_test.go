package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTail(t *testing.T) {
	var requests []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r.URL.RequestURI()+" "+r.Header.Get("Authorization"))
		if len(requests) > 1 {
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"error":{"code":"not_permitted","message":"No.","retry":"never"}}`) //nolint:errcheck // a test's answer
			return
		}
		for _, part := range []string{
			"event: hello\ndata: {\"time\":\"2026-01-02T03:04:05Z\"}\n\n", ":\n\n",
			"event: message\nda", "ta: {\"time\":\"2026-01-02T03:04:05.678Z\",\"channel\":\"a: b\",\"size\":3,\"message\":\"x\",\"user\":\"ann\"}\n\n",
			"event: ended\ndata: {\"code\":\"left\",\"message\":\"It left.\"}\n\n",
		} {
			io.WriteString(w, part) //nolint:errcheck // a test's answer
			w.(http.Flusher).Flush()
		}
	}))
	defer server.Close()
	c, err := New(Options{API: server.URL, Key: "k", HTTP: &http.Client{Timeout: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got []TailEvent
	var failed error
	o := TailOptions{Channel: "a*", Events: []string{"message", "ended"}, User: "u", Session: "s", NoPayload: true}
	for e, err := range c.Tail(t.Context(), o) {
		if failed = err; err == nil {
			got = append(got, e)
		}
	}
	want := []TailEvent{
		{Event: "hello", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{Event: "message", Time: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), Channel: "a: b", Size: 3, Message: []byte(`"x"`), User: "ann"},
		{Event: "ended", Code: "left", Message: []byte(`"It left."`)},
	}
	if diff := cmp.Diff(want, got); diff != "" || !errors.Is(failed, io.ErrUnexpectedEOF) {
		t.Errorf("error %v (-want +got): %s", failed, diff)
	}
	if text := got[2].Text(); text != "It left." {
		t.Errorf("the text is %q", text)
	}
	for e, err := range c.Tail(t.Context(), TailOptions{}) {
		var refusal *Error
		if !errors.As(err, &refusal) || refusal.Code != CodeNotPermitted {
			t.Errorf("%v, error %v", e, err)
		}
	}
	asked := []string{"/v2/tail?channel=a%2A&event=message%2Cended&payload=false&session=s&user=u Bearer k", "/v2/tail Bearer k"}
	if diff := cmp.Diff(asked, requests); diff != "" {
		t.Error(diff)
	}
}

// The loop may end before the stream does.
func TestTailIsLeft(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			fmt.Fprintf(w, "event: message\ndata: {\"size\":%d}\n\n", i)
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	c, err := New(Options{API: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n := 0
	for e, err := range c.Tail(t.Context(), TailOptions{}) {
		if err != nil || e.Size != n {
			t.Fatalf("%v, error %v", e, err)
		}
		if n++; n == 2 {
			break
		}
	}
}
