package server

import (
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// TestHealthOfTheSubscribersPort: the health URLs answer regardless of the limits, and nothing is
// counted as refused.
func TestHealthOfTheSubscribersPort(t *testing.T) {
	s := start(t, testConfig(func(c *config.Config) {
		c.UnlimitedAddresses, c.AddressAccepts, c.AddressRequests, c.AcceptRate = "", 1, 1, 1
		c.AllowOrigin = "https://example.com"
	}), Options{})
	ask := func(method, path string) string {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.WSAddr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "https://example.org")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if !response.Close {
			t.Errorf("%s: the connection stays open", path)
		}
		return response.Status + " " + string(body)
	}
	got := map[string]string{}
	for range 5 {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			for _, path := range []string{"/healthz", "/readyz"} {
				got[method+" "+path] = ask(method, path)
			}
		}
	}
	want := map[string]string{
		"GET /healthz": "200 OK ok\n", "HEAD /healthz": "200 OK ", "POST /healthz": "405 Method Not Allowed This path accepts only GET and HEAD.\n",
		"GET /readyz": "200 OK ok\n", "HEAD /readyz": "200 OK ", "POST /readyz": "405 Method Not Allowed This path accepts only GET and HEAD.\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// This path is not a health URL, so the page's origin is checked and refused.
	if got := ask("GET", "/healthz/"); got[:3] != "403" {
		t.Error(got)
	}
}

// TestLeave: after Leave the server is not ready on both ports, but still serves requests.
func TestLeave(t *testing.T) {
	s := start(t, testConfig(nil), Options{})
	ports := []string{s.APIAddr().String(), s.WSAddr().String()}
	look := func() (seen []string) {
		for _, port := range ports {
			for _, path := range []string{"/healthz", "/readyz"} {
				response, err := http.Get("http://" + port + path)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(response.Body)
				response.Body.Close()
				seen = append(seen, path+" "+response.Status+" "+string(body))
			}
		}
		return seen
	}
	before := look()
	s.Leave()
	after := look()
	subscriber := subscribe(t, s, "news")
	if status, body := call(t, s, "POST", "/broadcast/news/", `{"payload": 1}`); status != 200 {
		t.Error(status, body)
	}
	subscriber.Want(`{"message": 1, "channel": "news"}`)
	want := [][]string{
		{"/healthz 200 OK ok\n", "/readyz 200 OK ok\n", "/healthz 200 OK ok\n", "/readyz 200 OK ok\n"},
		{"/healthz 200 OK ok\n", "/readyz 503 Service Unavailable server is shutting down\n", "/healthz 200 OK ok\n", "/readyz 503 Service Unavailable not ready\n"},
	}
	if diff := cmp.Diff(want, [][]string{before, after}); diff != "" {
		t.Error(diff)
	}
}
