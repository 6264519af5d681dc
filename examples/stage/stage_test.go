package stage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) *Visitors {
	t.Helper()
	s, err := Open("", "", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Visitors{Client: c}
}

func TestVisitorsDeleteTokensThatNobodyUses(t *testing.T) {
	v := open(t)
	v.Max = 2
	var tokens []string
	for range 2 {
		token, err := v.Token(t.Context(), "Ada")
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	if _, err := v.Token(t.Context(), "Ada"); !errors.Is(err, ErrFull) {
		t.Errorf("the third visitor got %v, want ErrFull: the others may connect soon", err)
	}
	if name, ok := v.Name(tokens[0]); name != "Ada" || !ok {
		t.Errorf("the first token is %q's, want Ada's", name)
	}
	v.given[0].at = time.Now().Add(-arriving)
	if _, err := v.Token(t.Context(), "Ada"); err != nil {
		t.Errorf("the third visitor got %v, although the first never connected", err)
	}
	if _, ok := v.Name(tokens[0]); ok {
		t.Error("the first token is deleted, but still has a visitor")
	}
	if err := v.Client.DeleteToken(t.Context(), tokens[0]); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("deleting the first token again: %v, want a 404", err)
	}
	if err := v.Client.DeleteToken(t.Context(), tokens[1]); err != nil {
		t.Errorf("the second token: %v, want it to still exist", err)
	}
}

func TestOpenAcceptsBothURLsOrNone(t *testing.T) {
	s, err := Open("http://a", "ws://b", "", nil)
	if err != nil || s.API != "http://a" || s.WS != "ws://b" || s.Close() != nil {
		t.Errorf("with both: %+v, %v", s, err)
	}
	if _, err := Open("http://a", "", "", nil); err == nil {
		t.Error("with one: no error")
	}
	for _, url := range []string{"http://b", "b:8002", "ws://"} {
		if _, err := Open("http://a", url, "", nil); err == nil {
			t.Errorf("with %s: no error", url)
		}
	}
}

// An open page knows one address of its server, and its policy allows no other. So a restarted
// example uses the same address, unless another process has taken it.
func TestARestartedServerHasTheSameAddress(t *testing.T) {
	for try := 1; ; try++ { // another process may take a port in between
		page := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000))
		first, again := openedAt(t, page), openedAt(t, page)
		if first == again {
			break
		}
		if try == 20 {
			t.Fatalf("after a restart the addresses changed: %q, %q", first, again)
		}
	}
	// Do not use a port of another process.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	page := fmt.Sprintf("127.0.0.1:%d", taken.Addr().(*net.TCPAddr).Port-100)
	if got := openedAt(t, page); got == "" || strings.Contains(got, taken.Addr().String()) {
		t.Errorf("with the API's port taken: %q", got)
	}
}

// openedAt returns the addresses of the server that Open starts for the page.
func openedAt(t *testing.T, page string) string {
	t.Helper()
	s, err := Open("", "", page, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return s.API + " " + s.WS
}

// The port for subscribers has the same paths as in the real server.
func TestOpenServesSubscribers(t *testing.T) {
	s, err := Open("", "", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for path, want := range map[string]string{
		"":          "426 text/plain; charset=utf-8",
		"v2":        "426 application/json",
		"v2/events": "400 application/json", // the request names no channel
		"boreas.js": "200 text/javascript; charset=utf-8",
	} {
		answer, err := http.Get("http" + strings.TrimPrefix(s.WS, "ws") + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if got := fmt.Sprintf("%d %s", answer.StatusCode, answer.Header.Get("Content-Type")); got != want {
			t.Errorf("/%s: %s, want %s", path, got, want)
		}
	}
}

func TestPageRefusesOtherSites(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /it", func(w http.ResponseWriter, r *http.Request) {
		var v struct{ A string }
		if ReadJSON(w, r, &v) {
			WriteJSON(w, v)
		}
	})
	s := &Stage{WS: "wss://boreas.example/push/"}
	h := s.Page(fstest.MapFS{"index.html": {Data: []byte("page")}}, mux)
	for _, c := range []struct {
		site, kind, body string
		want             string
	}{
		{"same-origin", "application/json", `{"A": "x"}`, "200 {\"A\":\"x\"}\n"},
		{"cross-site", "application/json", `{"A": "x"}`, "403 cross-origin request detected from Sec-Fetch-Site header\n"},
		{"same-origin", "text/plain", `{"A": "x"}`, "415 {\"error\":\"send application/json\"}\n"},
		{"same-origin", "application/json", `{"A": 1}`, "400 {\"error\":\"that is not the JSON that was expected\"}\n"},
		{"same-origin", "application/json", `{"A": "` + strings.Repeat("x", maxBody) + `"}`, "400 {\"error\":\"that is not the JSON that was expected\"}\n"},
	} {
		r := httptest.NewRequest("POST", "/it", strings.NewReader(c.body))
		r.Header.Set("Sec-Fetch-Site", c.site)
		r.Header.Set("Content-Type", c.kind)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := strings.TrimPrefix(w.Result().Status[:4], "") + w.Body.String(); got != c.want {
			t.Errorf("%s %s %.20s: %q, want %q", c.site, c.kind, c.body, got, c.want)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/boreas.js", nil))
	got := []string{w.Result().Status, w.Header().Get("Location"), w.Header().Get("Content-Security-Policy")}
	want := []string{
		"307 Temporary Redirect", "https://boreas.example/push/boreas.js",
		"default-src 'self'; img-src data:; script-src 'self' https://boreas.example; connect-src 'self' https://boreas.example wss://boreas.example; " +
			"base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("/boreas.js (-want +got):\n%s", diff)
	}
}

func TestTextIsOneLineOfALimitedLength(t *testing.T) {
	var got []string
	for _, text := range []string{" a\n\tb ", "\u00a0", "ééé", "éééé"} {
		s, err := Text("name", text, 3)
		if err != nil {
			s = err.Error()
		}
		got = append(got, s)
	}
	want := []string{"a b", "the name is empty", "ééé", "the name has 4 characters; 3 are allowed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
