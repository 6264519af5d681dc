package hostile

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/internal/config"
	"github.com/boreas-pubsub/boreas/internal/server"
)

// patience is how long a test waits for what must come. Only one that fails uses it up.
const patience = 30 * time.Second

// Addresses of this machine, all of 127.0.0.0/8, are the clients. Attackers have those
// from 127.64 on.
const (
	operatorAddress = "127.1.0.1"
	proxyAddress    = "127.3.0.1" // in trusted_proxies
)

// goodOrigin is the only one whose pages may connect.
const goodOrigin = "https://app.example"

type object = map[string]any

// A site is a running server as it might be in real life, the machines that it asks, and
// its operator.
type site struct {
	testing.TB
	ctx         context.Context
	api, events string // the ports, as addresses
	admin       string // the operator's key; "" where the API needs none
	issuer      *issuer
	backend     *backend
	server      *server.Server
	operator    *http.Client
	crowd       *bystanders
}

// bounds are the limits for one client: low enough to be reached by a test.
func bounds(cfg *config.Config) {
	cfg.UnlimitedAddresses = ""
	cfg.AddressRequests = 400
	cfg.UserRequests = 200
	cfg.UserPublishes = 100
	cfg.UserConnections = 50
	cfg.UserChannels = 3000
	cfg.HistoryMemory = 16 << 20
	cfg.HeaderTimeout = time.Second
	cfg.PresenceLinger = 0
	cfg.DrainTime = 0
}

// newSite starts a server that takes tokens of every kind, and makes its first key unless
// open says that it is to be as it was on the first day.
func newSite(t testing.TB, open bool, change func(*config.Config)) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*patience)
	t.Cleanup(cancel)
	s := &site{TB: t, ctx: ctx, issuer: newIssuer(t), backend: newBackend(t)}
	cfg := config.Default()
	cfg.APIHost, cfg.APIPort, cfg.WSHost, cfg.WSPort = "127.0.0.1", 0, "127.0.0.1", 0
	cfg.AllowOrigin, cfg.TokenCookie = goodOrigin, "session"
	cfg.TrustedProxies, cfg.ProxyProtocol = proxyAddress, true
	cfg.JWTKeys = "hs256:" + s.issuer.file + " " + s.issuer.url
	cfg.JWTIssuer, cfg.JWTAudience = issuerName, "boreas"
	cfg.AuthURL = s.backend.url
	cfg.Rules = []config.Rule{
		{Pattern: "open.**", Presence: boreas.PresenceFull, ClientPublish: true},
		{Pattern: "small", MaxSubscribers: 5},
	}
	bounds(&cfg)
	if change != nil {
		change(&cfg)
	}
	running, err := server.Start(ctx, cfg, server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.server, s.operator = running, clientFrom(operatorAddress)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.operator.CloseIdleConnections()
		if err := running.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	s.api, s.events = running.APIAddr().String(), running.WSAddr().String()
	if !open {
		s.admin = s.newKey(object{"name": "operator", "verbs": []string{"admin"}}).Key
	}
	return s
}

// clientFrom returns an HTTP client with the address.
func clientFrom(address string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: dialerFrom(address).DialContext}}
}

// must makes a request of the API as the operator, which must succeed, and decodes the
// answer.
func (s *site) must(method, path string, body, into any) {
	s.Helper()
	content, isText := body.(string)
	if body != nil && !isText {
		text, _ := json.Marshal(body)
		content = string(text)
	}
	r, err := http.NewRequestWithContext(s.ctx, method, "http://"+s.api+path, strings.NewReader(content))
	if err != nil {
		s.Fatal(err)
	}
	if s.admin != "" {
		r.Header.Set("Authorization", "Bearer "+s.admin)
	}
	response, err := s.operator.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		s.Fatal(err)
	case response.StatusCode < 200 || response.StatusCode > 299:
		s.Fatalf("%s %s: %d %s", method, path, response.StatusCode, text)
	case into == nil:
		return
	}
	if raw, ok := into.(*string); ok {
		*raw = string(text)
		return
	}
	if err := json.Unmarshal(text, into); err != nil {
		s.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
}

// made is a key or token that the API has made.
type made struct{ Key, Token, ID string }

func (s *site) newKey(key object) (k made) {
	s.Helper()
	s.must("POST", "/v2/keys", key, &k)
	return k
}

// newToken makes an opaque token.
func (s *site) newToken(token object) (m made) {
	s.Helper()
	s.must("POST", "/v2/tokens", token, &m)
	return m
}

// tokenOf makes a token that lets its user do everything.
func (s *site) tokenOf(user string) string {
	s.Helper()
	return s.newToken(object{"user": user}).Token
}
