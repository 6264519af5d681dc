package doctor

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is the current time in these tests.
var now = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// A fake is a healthy server. A test can change the handlers of its paths.
type fake struct {
	api, ws   *httptest.Server
	apiRoutes map[string]http.HandlerFunc // by path, for all methods
	wsRoutes  map[string]http.HandlerFunc
	published chan string  // channels
	tokens    atomic.Int32 // created and not deleted
}

func newFake() *fake {
	f := &fake{published: make(chan string, 1)}
	f.apiRoutes = map[string]http.HandlerFunc{
		"/healthz":                says(200, "ok\n"),
		"/readyz":                 says(200, "ok\n"),
		"/v2/stats":               says(200, "{}"),
		"/v2/channels/" + Channel: says(200, "{}"),
		"/metrics":                says(200, "# HELP process_max_fds x\nprocess_max_fds 20000\nprocess_open_fds 12\n"),
		"/v2/tokens/inspect":      says(200, `{"valid":true,"kind":"opaque","id":"tok_1","user":"u1","expires":"2026-05-07T00:00:00Z","rules":[{"channels":["a"],"allow":["join"]}]}`),
		"/v2/tokens": func(w http.ResponseWriter, r *http.Request) {
			f.tokens.Add(1)
			says(201, `{"token":"bt_made","id":"tok_made"}`)(w, r)
		},
		"/v2/tokens/": func(_ http.ResponseWriter, r *http.Request) {
			if r.Method+" "+r.URL.Path == "DELETE /v2/tokens/tok_made" {
				f.tokens.Add(-1)
			}
		},
		"/v2/channels/": func(w http.ResponseWriter, r *http.Request) {
			f.published <- strings.Split(r.URL.Path, "/")[3]
			says(201, `{"position":"p","subscribers":1}`)(w, r)
		},
	}
	f.wsRoutes = map[string]http.HandlerFunc{"/v2": speak(`{"hello":{"protocol":2}}`, true), "/v2/events": f.events(true)}
	return f
}

// start starts the fake. Its replies have the tests' time.
func (f *fake) start(t *testing.T, start func(*httptest.Server)) {
	serve := func(routes map[string]http.HandlerFunc, other http.HandlerFunc) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if w.Header()["Date"] == nil {
				w.Header().Set("Date", now.Format(http.TimeFormat))
			}
			h := routes[r.URL.Path]
			for path, prefix := range routes {
				if h == nil && strings.HasSuffix(path, "/") && strings.HasPrefix(r.URL.Path, path) {
					h = prefix
				}
			}
			if h == nil {
				h = other
			}
			h(w, r)
		}))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		start(s)
		t.Cleanup(s.Close)
		return s
	}
	f.api = serve(f.apiRoutes, refuses(404, "not_found", "There is nothing at this path."))
	f.ws = serve(f.wsRoutes, says(404, "There is no WebSocket at this path: the WebSocket is at /v2, and the classic one at /.\n"))
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body) //nolint:errcheck // a test's answer
	}
}

func refuses(status int, code, message string) http.HandlerFunc {
	return says(status, fmt.Sprintf(`{"error":{"code":%q,"message":%q,"retry":"never"}}`, code, message))
}

// speak returns a WebSocket server that sends the given greeting, and replies to pings or ignores
// them.
func speak(hello string, answers bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer conn.CloseNow() //nolint:errcheck // it may be closed already
		err = conn.Write(r.Context(), websocket.MessageText, []byte(hello))
		for err == nil {
			if _, _, err = conn.Read(r.Context()); err == nil {
				conn.Write(r.Context(), websocket.MessageText, []byte(`{"heartbeat":{}}`)) //nolint:errcheck // a test's server
			}
			if err == nil && answers {
				err = conn.Write(r.Context(), websocket.MessageText, []byte(`{"id":1,"ping":{}}`))
			}
		}
	}
}

// events returns an event stream. If messages is false, it holds back the messages.
func (f *fake) events(messages bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flush := func() { http.NewResponseController(w).Flush() } //nolint:errcheck // a test's server
		fmt.Fprintf(w, "retry: 1000\n\nevent: join\ndata: {\"channels\":[]}\n\n")
		flush()
		if messages {
			select {
			case channel := <-f.published:
				fmt.Fprintf(w, "data: {\"channel\":%q,\"message\":\"hello\"}\n\n", channel)
				flush()
			case <-r.Context().Done():
			}
		}
		<-r.Context().Done()
	}
}

// hold behaves like a proxy that buffers until the end of an endless response.
func hold(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
