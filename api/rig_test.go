package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is an API with its own hub.
type rig struct {
	t         testing.TB
	hub       *boreas.Hub
	authority *auth.Authority
	api       http.Handler
	debug     bool // enables the debug paths
}

func newRig(t testing.TB, h boreas.Options, o api.Options) *rig {
	t.Helper()
	if o.Authority == nil {
		o.Authority = open(t, auth.Options{KeepText: true})
	}
	r := &rig{t: t, hub: boreas.New(h), authority: o.Authority, debug: o.Debug}
	o.Insecure = o.Insecure || !o.Loopback // open until a key exists
	r.api = api.Handler(r.hub, o)
	t.Cleanup(func() {
		if err := r.hub.Shutdown(context.Background(), 0); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return r
}

// mint creates a classic token.
func (r *rig) mint() string {
	r.t.Helper()
	token, err := r.authority.Mint("")
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

// do sends a request and returns the whole response as text: the status, the sorted headers, an
// empty line, and the body. headers alternates names and values.
func (r *rig) do(method, target, body string, headers ...string) string {
	return r.doIn(context.Background(), method, target, body, headers...)
}

// doIn is do with a context for the request.
func (r *rig) doIn(ctx context.Context, method, target, body string, headers ...string) string {
	req := httptest.NewRequest(method, target, strings.NewReader(body)).WithContext(ctx)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, req)
	return answer(rec.Result())
}

// ServeHTTP serves the API and records the responses for package openapitest.
func (r *rig) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/v2/tail" && req.Context().Done() == nil {
		// The stream ends when its reader leaves.
		ctx, leave := context.WithTimeout(req.Context(), 20*time.Millisecond)
		defer leave()
		req = req.WithContext(ctx)
	}
	kept := &copying{ResponseWriter: w, status: http.StatusOK}
	r.api.ServeHTTP(kept, req)
	if kept.status != http.StatusMethodNotAllowed && w.Header().Get("Content-Encoding") == "" && (r.debug || !strings.HasPrefix(req.URL.Path, "/debug/")) {
		record(r.t, req, kept.status, w.Header().Get("Content-Type"), kept.body.Bytes())
	}
}

// copying keeps a copy of a response.
type copying struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (c *copying) WriteHeader(status int)      { c.status = status; c.ResponseWriter.WriteHeader(status) }
func (c *copying) Unwrap() http.ResponseWriter { return c.ResponseWriter }
func (c *copying) Write(p []byte) (int, error) {
	c.body.Write(p)
	return c.ResponseWriter.Write(p)
}

// broadcast posts a body to a path as JSON.
func (r *rig) broadcast(path, body string) string {
	return r.do("POST", path, body, "Content-Type", "application/json")
}

func answer(res *http.Response) string {
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	var b bytes.Buffer
	fmt.Fprintln(&b, res.StatusCode)
	res.Header.Del("Date")
	var lines []string
	for name, values := range res.Header {
		lines = append(lines, name+": "+strings.Join(values, ", ")+"\n")
	}
	slices.Sort(lines)
	fmt.Fprintf(&b, "%s\n%s", strings.Join(lines, ""), body)
	return b.String()
}

// jsonAnswer returns a whole response with a JSON body.
func jsonAnswer(status int, body string) string {
	vary := ""
	if len(body) >= 1<<10 {
		vary = "Vary: Accept-Encoding\n"
	}
	return fmt.Sprintf("%d\nContent-Type: application/json\n%sX-Content-Type-Options: nosniff\n\n%s", status, vary, body)
}

// failure returns a whole error response of a path below /v2/. more contains the error's additional
// members.
func failure(status int, code, message, more string) string {
	row := fault.All()[slices.IndexFunc(fault.All(), func(f *fault.Fault) bool { return f.Code == code })]
	if ms := row.RetryAfter.Milliseconds(); ms > 0 {
		more = fmt.Sprintf(`,"retry_after_ms":%d`, ms) + more
	}
	body := fmt.Sprintf(`{"error":{"code":"%s","message":"%s","retry":"%s","docs":"%s"%s}}`, code, message, row.Retry, row.Docs(), more)
	return jsonAnswer(status, body+"\n")
}

// errorAnswer returns a whole error response of a classic path.
func errorAnswer(status int, sentence string) string {
	return jsonAnswer(status, fmt.Sprintf(`{"errors": ["%s"]}`, sentence))
}

// textAnswer returns a whole response with a text body.
func textAnswer(status int, body string) string {
	return fmt.Sprintf("%d\nContent-Type: text/plain; charset=utf-8\nX-Content-Type-Options: nosniff\n\n%s", status, body)
}

// empty is the whole response to a successful broadcast.
const empty = "200\n\n"

// subscriber is a session. Its connection is a channel of lines.
type subscriber struct {
	*boreas.Session
	lines    chan string
	finished chan struct{} // closed when the hub has finished the session
	reason   error         // why the session ended; valid when finished is closed
}

// subscribe opens a session. With an identity, it authenticates and joins the channels.
func (r *rig) subscribe(t testing.TB, identity string, channels ...string) *subscriber {
	t.Helper()
	if identity == "" {
		return r.enter(t, nil, channels...)
	}
	return r.enter(t, boreastest.Grant(identity, identity), channels...)
}

// subscribeWith opens a session with a token and joins the channels.
func (r *rig) subscribeWith(t testing.TB, token string, channels ...string) *subscriber {
	t.Helper()
	g, err := r.authority.Check(access.Credentials{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return r.enter(t, g, channels...)
}

func (r *rig) enter(t testing.TB, g *access.Grant, channels ...string) *subscriber {
	t.Helper()
	s := &subscriber{lines: make(chan string, 100), finished: make(chan struct{})}
	session, err := r.hub.Reserve(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	s.Session = session // before Start, after which the hub may use s
	if err := session.Start(s, lineFormat{}, nil); err != nil {
		t.Fatal(err)
	}
	if g != nil {
		if err := session.Authenticate(g); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range channels {
		if err := session.Join(context.Background(), []boreas.Join{{Channel: c}}, nil)[0].Err; err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// next waits for the next line.
func (s *subscriber) next(t testing.TB) string {
	t.Helper()
	select {
	case line := <-s.lines:
		return line
	case <-t.Context().Done():
		t.Fatal("the test ended before a message came")
		return ""
	}
}

func (s *subscriber) TryWrite(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		s.lines <- strings.TrimSuffix(line, "\n")
	}
	return len(p), nil
}

func (s *subscriber) WaitWritable(time.Duration) error      { return nil }
func (s *subscriber) Finish(reason error, _ bool)           { s.Done(); s.reason = reason; close(s.finished) }
func (s *subscriber) Describe() (transport, address string) { return "test", "192.0.2.1:5" }

// lineFormat writes classic messages, one per line.
type lineFormat struct{}

func (lineFormat) AppendPublication(dst []byte, channel string, _ uint64, p *engine.Publication) []byte {
	return append(wire.AppendClassicMessage(dst, channel, p.Data), '\n')
}
func (lineFormat) AppendPing(dst []byte) []byte         { return dst }
func (lineFormat) AppendEnd(dst []byte, _ error) []byte { return dst }

// open opens an authority that is closed at the end of the test.
func open(t testing.TB, o auth.Options) *auth.Authority {
	t.Helper()
	a, err := auth.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return a
}
