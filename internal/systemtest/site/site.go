// Package site runs the whole server for a test, with an issuer and a backend that it asks about
// tokens, and an operator with a key.
package site

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/server"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
)

// Object is a JSON object.
type Object = issuer.Object

// Patience is how long a site waits for an event. Only a test that fails waits so long.
const Patience = time.Minute

// Options are the options of a site.
type Options struct {
	// Change changes the configuration. By default, the server accepts tokens of every kind, and
	// all channels have presence and let clients publish.
	Change func(*config.Config)

	// Server are the other options of the server.
	Server func(config.Config) server.Options

	// Address is the operator's address; "" means 127.0.0.1.
	Address string

	// NoKey leaves the API without keys, as on the first day.
	NoKey bool
}

// A Site is a running server with an issuer, a backend and an operator.
type Site struct {
	testing.TB
	Issuer  *issuer.Issuer
	Backend *issuer.Backend

	Server *server.Server // nil if the test has put its own server together
	Config config.Config
	API    string // the address of the API
	WS     string // the address of the port for subscribers

	Admin  string // the operator's key; "" if the API needs none
	Client *http.Client

	// Ctx ends when there has been no progress for [Patience].
	Ctx context.Context

	// OnAnswer, if not nil, gets each answer of HTTP.
	OnAnswer func(Answer)

	waiting *time.Timer // ends Ctx
	mu      sync.Mutex
	lasts   time.Time // guarded by mu: the end of Ctx
}

// New starts a site that ends with the test.
func New(t testing.TB, o Options) *Site {
	t.Helper()
	s := WithoutServer(t, o.Address)
	c := config.Default()
	c.APIHost, c.APIPort, c.WSHost, c.WSPort = "127.0.0.1", 0, "127.0.0.1", 0
	c.DrainTime = 0
	c.Rules = []config.Rule{{Pattern: "**", Presence: boreas.PresenceFull, ClientPublish: true}}
	c.JWTKeys = "hs256:" + s.Issuer.File + " " + s.Issuer.URL
	c.JWTIssuer, c.JWTAudience = issuer.Name, issuer.Audience
	c.AuthURL = s.Backend.URL
	if o.Change != nil {
		o.Change(&c)
	}
	var options server.Options
	if o.Server != nil {
		options = o.Server(c)
	}
	running, err := server.Start(s.Ctx, c, options)
	if err != nil {
		t.Fatal(err)
	}
	s.Server, s.Config = running, c
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		s.Client.CloseIdleConnections()
		if err := running.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	s.API, s.WS = running.APIAddr().String(), running.WSAddr().String()
	if !o.NoKey {
		s.NewAdmin()
	}
	return s
}

// WithoutServer returns a site for a server that the test puts together. The test sets API and WS.
func WithoutServer(t testing.TB, operator string) *Site {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &Site{TB: t, Ctx: ctx, Issuer: issuer.New(t), Backend: issuer.NewBackend(t), Client: ClientFrom(operator)}
	s.waiting = time.AfterFunc(Patience, cancel)
	t.Cleanup(func() {
		s.waiting.Stop()
		cancel()
	})
	return s
}

// NewAdmin makes the operator's key.
func (s *Site) NewAdmin() {
	s.Helper()
	s.Admin = s.NewKey(Object{"name": "operator", "verbs": []string{"admin"}}).Key
}

// Progress notes that something happened at that time, or will happen at the latest then. A test with
// many steps on a slow machine then does not use up the site's patience.
func (s *Site) Progress(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until := at.Add(Patience); until.After(s.lasts) {
		s.lasts = until
		s.waiting.Reset(time.Until(until))
	}
}

// ClientFrom returns an HTTP client with a local address; "" means any.
func ClientFrom(address string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: DialerFrom(address).DialContext, MaxIdleConnsPerHost: 64}}
}

// DialerFrom returns a dialer with a local address; "" means any.
func DialerFrom(address string) *net.Dialer {
	if address == "" {
		return new(net.Dialer)
	}
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
}

// An Answer is an answer to an HTTP request.
type Answer struct {
	Request string // METHOD PATH
	Status  int
	Header  http.Header
	Body    []byte
}

// OK reports whether the request succeeded.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status <= 299 }

// Code returns the code of an answer's error, "ok" if there is none.
func (a Answer) Code() string {
	if a.OK() {
		return "ok"
	}
	if code := CodeOf(a.Body); code != "" {
		return code
	}
	return fmt.Sprintf("%d without a code", a.Status)
}

// CodeOf returns the code of the error in a body; "" if there is none.
func CodeOf(body []byte) string {
	var refused struct{ Error struct{ Code string } }
	json.Unmarshal(body, &refused) //nolint:errcheck // a body without an error has no code
	return refused.Error.Code
}

// Ask sends a request to the API with a credential, "" for none. The body is text, or becomes JSON.
func (s *Site) Ask(credential, method, path string, body any) Answer {
	s.Helper()
	return s.Request(method, "http://"+s.API+path, credential, body, nil)
}

// Request sends a request to any URL; see [Site.Ask].
func (s *Site) Request(method, url, credential string, body any, header http.Header) Answer {
	s.Helper()
	var content []byte
	if body != nil {
		content = issuer.JSON(body)
	}
	ctx, cancel := context.WithTimeout(s.Ctx, Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(content))
	if err != nil {
		s.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	if credential != "" {
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	response, err := s.Client.Do(r)
	if err != nil {
		s.Fatalf("%s %s: %v", method, url, err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatalf("%s %s: %v", method, url, err)
	}
	a := Answer{method + " " + strings.TrimPrefix(url, "http://"+s.API), response.StatusCode, response.Header, got}
	if s.OnAnswer != nil {
		s.OnAnswer(a)
	}
	return a
}

// Must sends a request as the operator, which must succeed. It decodes the answer, or copies it to a
// *string.
func (s *Site) Must(method, path string, body, into any) {
	s.Helper()
	s.mustAs(s.Admin, method, path, body, into)
}

func (s *Site) mustAs(credential, method, path string, body, into any) {
	s.Helper()
	a := s.Ask(credential, method, path, body)
	if !a.OK() {
		s.Fatalf("%s: %d %s", a.Request, a.Status, a.Body)
	}
	if text, ok := into.(*string); ok {
		*text = string(a.Body)
	} else if into != nil {
		if err := json.Unmarshal(a.Body, into); err != nil {
			s.Fatalf("%s: %v: %s", a.Request, err, a.Body)
		}
	}
}

// Made is a key or token that the API has made.
type Made struct{ Key, Token, ID string }

// NewKey makes a key.
func (s *Site) NewKey(key Object) (m Made) {
	s.Helper()
	s.Must("POST", "/v2/keys", key, &m)
	return m
}

// NewToken makes an opaque token.
func (s *Site) NewToken(token Object) (m Made) {
	s.Helper()
	return s.NewTokenBy(s.Admin, token)
}

// NewTokenBy makes an opaque token with a key.
func (s *Site) NewTokenBy(key string, token Object) (m Made) {
	s.Helper()
	s.mustAs(key, "POST", "/v2/tokens", token, &m)
	return m
}

// NewClassic makes a classic token with a key.
func (s *Site) NewClassic(key string) string {
	s.Helper()
	var m Made
	s.mustAs(key, "POST", "/token/", nil, &m)
	return m.Token
}
