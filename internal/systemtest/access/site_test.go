package access

import (
	"encoding/json"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/server"
	whole "github.com/boreas-pubsub/boreas/v2/internal/systemtest/site"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

const patience = whole.Patience

type (
	object = whole.Object
	answer = whole.Answer
	made   = whole.Made
)

// A site keeps its log, and can keep everything that its server sends.
type site struct {
	*whole.Site
	log, banner *testlog.Buffer

	keep   bool // set before the server is used
	mu     sync.Mutex
	seen   []answer // guarded by mu: the responses to HTTP requests
	frames []string // guarded by mu: the messages of protocol 2
}

// newSite starts a server. The functions in before change the site while it still has no key.
func newSite(t testing.TB, change func(*config.Config), before ...func(*site)) *site {
	t.Helper()
	s := &site{log: new(testlog.Buffer), banner: new(testlog.Buffer)}
	s.Site = whole.New(t, whole.Options{NoKey: true, Change: func(c *config.Config) {
		c.LogLevel = "debug"
		if change != nil {
			change(c)
		}
	}, Server: func(c config.Config) server.Options {
		return server.Options{Banner: s.banner, Log: server.NewLogger(s.log, c, server.LogOptions{})}
	}})
	s.OnAnswer = func(a answer) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.keep {
			s.seen = append(s.seen, a)
		}
	}
	for _, f := range before {
		f(s)
	}
	s.NewAdmin()
	return s
}

// frame records a message of protocol 2.
func (s *site) frame(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keep {
		s.frames = append(s.frames, text)
	}
}

// publish publishes as the operator, and returns the message's position.
func (s *site) publish(channel string, message any) string {
	s.Helper()
	content, _ := json.Marshal(message)
	var p struct{ Position string }
	s.Must("POST", messages(channel), string(content), &p)
	return p.Position
}

func messages(channel string) string {
	return "/v2/channels/" + url.PathEscape(channel) + "/messages"
}

func presence(channel string) string {
	return "/v2/channels/" + url.PathEscape(channel) + "/presence"
}

// on returns the number of tokens that the classic API lists for a channel.
func (s *site) on(channel string) int {
	s.Helper()
	var list struct{ Tokens []string }
	s.Must("GET", "/"+url.PathEscape(channel)+"/token/", nil, &list)
	return len(list.Tokens)
}

// sessions returns the names of the live sessions that match a query.
func (s *site) sessions(query string) []string {
	s.Helper()
	var list struct{ Sessions []struct{ Session string } }
	s.Must("GET", "/v2/sessions?"+query, nil, &list)
	var names []string
	for _, one := range list.Sessions {
		names = append(names, one.Session)
	}
	return names
}

// until waits until a condition holds.
func (s *site) until(what string, holds func() bool) {
	s.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			s.Fatalf("timeout: %s", what)
		}
	}
}
