package admission

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/internal/config"
	"github.com/boreas-pubsub/boreas/internal/server"
)

// patience is how long a test waits for what must come. Only one that fails uses it up.
const patience = time.Minute

type object = map[string]any

// A site is a running server with those that it asks, and an operator who has its first key.
type site struct {
	testing.TB
	ctx         context.Context
	waiting     *time.Timer // ends ctx
	api, events string      // the ports, as HTTP
	ws          string      // the port for subscribers, as WebSocket
	admin       string      // the operator's key
	issuer      *issuer
	backend     *backend
	client      *http.Client
	log, banner *text
	cfg         config.Config

	keep   bool // what was answered
	mu     sync.Mutex
	lasts  time.Time // guarded by mu: until when ctx lives, if later than patience
	seen   []answer  // guarded by mu: all that HTTP has answered
	frames []string  // guarded by mu: all that protocol 2 has said
}

// An answer is what HTTP has answered.
type answer struct {
	what   string // METHOD PATH
	status int
	header http.Header
	body   []byte
}

// text is a buffer that many goroutines write.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// newSite starts a server that takes tokens of every kind, and makes its first key.
func newSite(t testing.TB, change func(*config.Config), before ...func(*site)) *site {
	t.Helper()
	s := newGround(t)
	cfg := config.Default()
	cfg.APIHost, cfg.APIPort, cfg.WSHost, cfg.WSPort = "127.0.0.1", 0, "127.0.0.1", 0
	cfg.DrainTime = 0
	cfg.Rules = []config.Rule{{Pattern: "**", Presence: boreas.PresenceFull, ClientPublish: true}}
	cfg.JWTKeys = "hs256:" + s.issuer.file + " " + s.issuer.url
	cfg.AuthURL = s.backend.url
	cfg.LogLevel = "debug"
	if change != nil {
		change(&cfg)
	}
	running, err := server.Start(s.ctx, cfg, server.Options{Banner: s.banner, Log: server.NewLogger(s.log, cfg)})
	if err != nil {
		t.Fatal(err)
	}
	s.cfg = cfg
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.client.CloseIdleConnections()
		if err := running.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	for _, f := range before {
		f(s)
	}
	s.opens(running.APIAddr().String(), running.WSAddr().String())
	return s
}

// newGround returns a site without a server.
func newGround(t testing.TB) *site {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	waiting := time.AfterFunc(patience, cancel)
	t.Cleanup(func() {
		waiting.Stop()
		cancel()
	})
	return &site{
		TB: t, ctx: ctx, waiting: waiting, issuer: newIssuer(t), backend: newBackend(t), log: new(text), banner: new(text),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
}

// progress notes that something came, or when something must come. The site waits for patience
// from then on, so the many steps of a test on a slow machine do not use it up together.
func (s *site) progress(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until := at.Add(patience); until.After(s.lasts) {
		s.lasts = until
		s.waiting.Reset(time.Until(until))
	}
}

// opens makes the first key of a server with these addresses.
func (s *site) opens(api, subscribers string) {
	s.api, s.events, s.ws = "http://"+api, "http://"+subscribers, "ws://"+subscribers
	s.admin = s.newKey(object{"name": "operator", "verbs": []string{"admin"}}).Key
}

// ask makes a request of the API with a credential, "" for none. The body is text, or
// becomes JSON.
func (s *site) ask(credential, method, path string, body any) answer {
	s.Helper()
	return s.request(method, s.api+path, credential, body, nil)
}

func (s *site) request(method, url, credential string, body any, header http.Header) answer {
	s.Helper()
	a, err := s.try(method, url, credential, body, header)
	if err != nil {
		s.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

func (s *site) try(method, url, credential string, body any, header http.Header) (answer, error) {
	var content []byte
	switch b := body.(type) {
	case nil:
	case string:
		content = []byte(b)
	default:
		content, _ = json.Marshal(b)
	}
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(content))
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	if credential != "" {
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	response, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{method + " " + strings.TrimPrefix(url, s.api), response.StatusCode, response.Header, got}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keep {
		s.seen = append(s.seen, a)
	}
	return a, nil
}

// frame notes what was said over protocol 2.
func (s *site) frame(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keep {
		s.frames = append(s.frames, text)
	}
}

// must makes a request as the operator, which must succeed, and decodes the answer.
func (s *site) must(method, path string, body, into any) {
	s.Helper()
	a := s.ask(s.admin, method, path, body)
	if a.status < 200 || a.status > 299 {
		s.Fatalf("%s: %d %s", a.what, a.status, a.body)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		s.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
}

// code returns the code of an answer's error, "ok" if it is none.
func (a answer) code() string {
	if a.status >= 200 && a.status <= 299 {
		return "ok"
	}
	var refused struct{ Error struct{ Code string } }
	if err := json.Unmarshal(a.body, &refused); err != nil || refused.Error.Code == "" {
		return fmt.Sprintf("%d without a code", a.status)
	}
	return refused.Error.Code
}

// made is a key or token that the API has made.
type made struct{ Key, Token, ID string }

func (s *site) newKey(key object) (k made) {
	s.Helper()
	s.must("POST", "/v2/keys", key, &k)
	return k
}

// newToken makes an opaque token by a key, "" for the operator's.
func (s *site) newToken(key string, token object) (m made) {
	s.Helper()
	if key == "" {
		key = s.admin
	}
	a := s.ask(key, "POST", "/v2/tokens", token)
	if err := json.Unmarshal(a.body, &m); err != nil || a.status != http.StatusCreated {
		s.Fatalf("%s: %d %s", a.what, a.status, a.body)
	}
	return m
}

// classic makes a classic token by a key.
func (s *site) classic(key string) string {
	s.Helper()
	var m made
	a := s.ask(key, "POST", "/token/", nil)
	if err := json.Unmarshal(a.body, &m); err != nil || a.status != http.StatusOK {
		s.Fatalf("%s: %d %s", a.what, a.status, a.body)
	}
	return m.Token
}

// publish publishes as the operator, and returns the message's position.
func (s *site) publish(channel string, message any) string {
	s.Helper()
	content, _ := json.Marshal(message)
	var p struct{ Position string }
	s.must("POST", messages(channel), string(content), &p)
	return p.Position
}

func messages(channel string) string {
	return "/v2/channels/" + url.PathEscape(channel) + "/messages"
}

func presence(channel string) string {
	return "/v2/channels/" + url.PathEscape(channel) + "/presence"
}

// on returns how many connections of the classic wire's tokens are on a channel.
func (s *site) on(channel string) int {
	s.Helper()
	var list struct{ Tokens []string }
	s.must("GET", "/"+url.PathEscape(channel)+"/token/", nil, &list)
	return len(list.Tokens)
}

// sessions returns the names of the live sessions that a query asks for.
func (s *site) sessions(query string) []string {
	s.Helper()
	var list struct{ Sessions []struct{ Session string } }
	s.must("GET", "/v2/sessions?"+query, nil, &list)
	var names []string
	for _, one := range list.Sessions {
		names = append(names, one.Session)
	}
	return names
}

// until waits until something holds.
func (s *site) until(what string, holds func() bool) {
	s.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			s.Fatalf("never came: %s", what)
		}
	}
}
