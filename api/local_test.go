package api_test

import (
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
)

// A request from a proxy on this machine may come from any machine.
func TestForwardedIsNotLocal(t *testing.T) {
	g := newGate(t, api.Options{Loopback: true, Hosts: []string{"push.example"}})
	g.key = "key_nonsense"
	insecure := newGate(t, api.Options{Loopback: true, Insecure: true})
	insecure.key = "key_nonsense"
	for _, header := range []string{
		"X-Forwarded-For: 203.0.113.5", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: ", "X-FORWARDED-FOR: ::1",
		"Forwarded: for=203.0.113.5", "Forwarded: for=_hidden", "X-Real-IP: 203.0.113.5", "Via: 1.1 edge", "via: 1.0 localhost",
		"X-Forwarded-Proto: https", "X-Forwarded-Host: push.example", "X_Forwarded_For: 203.0.113.5",
		"X-Original-Forwarded-For: 203.0.113.5", "CF-Connecting-IP: 203.0.113.5", "True-Client-IP: 203.0.113.5", "Client-IP: 203.0.113.5", "WL-Proxy-Client-IP: 203.0.113.5",
		"X-Original-For: 203.0.113.5", "X-Remote-Addr: 203.0.113.5", "X-Originating-IP: 203.0.113.5",
	} {
		name, value, _ := strings.Cut(header, ": ")
		for _, host := range []string{"localhost:8001", "127.0.0.1:8001", "push.example"} {
			for _, to := range targets {
				method, path := g.request(to)
				got := g.doAt(host, method, path, to.body, name, value)
				switch {
				case to.verb == 0:
					if !strings.HasPrefix(got, "200\n") {
						t.Errorf("%s: %s got %s", header, to.pattern, got)
					}
				case !strings.HasPrefix(got, "401\n") || !strings.Contains(got, "through a proxy") || !strings.Contains(got, "`boreas key new`"):
					t.Errorf("%s, Host %s: %s got %s", header, host, to.pattern, got)
				}
			}
		}
		if got := insecure.doAt("localhost", "GET", "/v2/stats", "", name, value); !strings.HasPrefix(got, "200\n") {
			t.Errorf("%s: an API that is open on purpose got %s", header, got)
		}
	}
	for _, header := range []string{"User-Agent: curl/8.5.0", "X-Request-Id: 1", "Accept: */*", "Content-Type: application/json", "Traceparent: 00-0-0-00", "Origin: http://example.com"} {
		name, value, _ := strings.Cut(header, ": ")
		if got := g.doAt("localhost", "GET", "/v2/stats", "", name, value); !strings.HasPrefix(got, "200\n") {
			t.Errorf("%s: got %s", header, got)
		}
	}
}

// With a key or a token, requests through proxies are accepted.
func TestForwardedWithCredentials(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{Loopback: true})
	token, _ := r.makeToken(auth.Token{User: "u1"})
	forwarded := func(credential string) string {
		return r.doAt("push.example", "GET", "/v2/channels/a/messages", "", "X-Forwarded-For", "203.0.113.5", "Authorization", "Bearer "+credential)
	}
	if got := forwarded(token); !strings.HasPrefix(got, "200\n") {
		t.Errorf("token: %s", got)
	}
	key, _ := r.makeKey("k", auth.KeySessions)
	if got := forwarded(key); !strings.HasPrefix(got, "200\n") {
		t.Errorf("key: %s", got)
	}
}
