package api_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
)

// Without a key in the store, everybody may do everything, but a given credential must be valid.
func TestOpenAPI(t *testing.T) {
	for name, o := range map[string]api.Options{"insecure": {Insecure: true}, "loopback": {Loopback: true, Hosts: []string{"example.com"}}} {
		for _, to := range targets {
			for credential, want := range map[string]int{
				"":                           0,
				"Basic Ym9yZWFzOnNlY3JldA==": 0, // for a proxy's password
				"Bearer nonsense":            401,
				"Bearer bk_nonsense":         401,
				"Bearer ":                    401,
				"bearer":                     401,
			} {
				g := newGate(t, o)
				g.key = "key_nonsense"
				got := g.try(to, credential)
				switch {
				case to.verb == 0:
					want = 200
				case want == 0 && to.pattern == "DELETE /v2/keys/{id}":
					want = 404
				case want == 0 && strings.HasPrefix(to.pattern, "POST /v2/") && !strings.HasSuffix(to.pattern, "inspect"):
					want = 201
				case want == 0 && slices.Contains([]string{"DELETE /token/{token}", "DELETE /v2/sessions/{session}", "DELETE /v2/revocations"}, to.pattern):
					want = 204
				case want == 0:
					want = 200
				}
				if got != want {
					t.Errorf("%s: %s with %q: got %d, want %d", name, to.pattern, credential, got, want)
				}
			}
		}
	}
}

// Without a key, an API that is neither local nor open on purpose refuses everything.
func TestClosedAPI(t *testing.T) {
	hub := boreas.New(boreas.Options{})
	t.Cleanup(func() { hub.Shutdown(t.Context(), 0) })
	r := &rig{t: t, hub: hub, authority: open(t, auth.Options{}), debug: true}
	r.api = api.Handler(hub, api.Options{Authority: r.authority, Debug: true})
	g := &gate{rig: r, classic: "x", token: "tok_x", key: "key_x", session: "s_1"}
	for _, to := range targets {
		method, path := g.request(to)
		want := "401"
		if to.verb == 0 {
			want = "200"
		}
		if got := r.do(method, path, to.body)[:3]; got != want {
			t.Errorf("%s: got %s, want %s", to.pattern, got, want)
		}
	}
}

// A web page can let its own name resolve to this machine.
func TestHost(t *testing.T) {
	classic := errorAnswer(421, "The API is open only to this machine, and the request names another host: a web page may have sent it.")
	v2 := failure(421, "host_not_allowed", "The API is open only to this machine, and the request names another host: a web page may have sent it.", "")
	g := newGate(t, api.Options{Loopback: true, Hosts: []string{"proxy.example", "api.example:8443"}})
	g.key = "key_nonsense"
	for host, allowed := range map[string]bool{
		"localhost": true, "localhost:8001": true, "LOCALHOST:1": true,
		"127.0.0.1": true, "127.0.0.1:8001": true, "127.1.2.3:80": true,
		"[::1]": true, "[::1]:8001": true, "[::ffff:127.0.0.1]:8001": true,
		"proxy.example": true, "Proxy.Example:443": true, "api.example:8443": true,
		"api.example": false, "api.example:443": false, "proxy.example.evil.example": false,
		"evil.example": false, "evil.example:8001": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false,
		"localhost.": false, "": false, "192.0.2.1": false, "192.0.2.1:8001": false, "0.0.0.0:8001": false,
		"[::]:8001": false, "2130706433": false, "0x7f.1": false, "localhost:8001:8001": false, "[localhost]": true,
	} {
		for _, to := range targets {
			method, path := g.request(to)
			if allowed && method != "GET" { // it would affect the other cases
				continue
			}
			want := classic
			if strings.HasPrefix(path, "/v2/") {
				want = v2
			}
			got := g.doAt(host, method, path, to.body)
			if to.verb == 0 || allowed {
				if strings.HasPrefix(got, "421\n") {
					t.Errorf("Host %q: %s is refused", host, to.pattern)
				}
				continue
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("Host %q: %s (-want +got):\n%s", host, to.pattern, diff)
			}
		}
	}
	credential := g.bearerKey(auth.KeyAdmin)
	if got := g.doAt("evil.example", "GET", "/v2/stats", "", "Authorization", credential); !strings.HasPrefix(got, "200\n") {
		t.Errorf("with a key the host does not matter: got %s", got)
	}
}

// doAt is like do, with another host name.
func (r *rig) doAt(host, method, target, body string, headers ...string) string {
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	req.Host = host
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, req)
	return answer(rec.Result())
}

// There is only one way to send a key in the header Authorization.
func TestAuthorizationHeader(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	key, _ := r.makeKey("k", auth.KeyStats)
	invalid := func(message string) string {
		return strings.Replace(failure(401, "invalid_key", message, ""), "\nX-Content", "\nWww-Authenticate: Bearer\nX-Content", 1)
	}
	twice := invalid("The header Authorization is present 2 times.")
	bad := invalid("The header Authorization must be `Bearer`, a space, and a key or token.")
	unknown := invalid("The API needs a key, and the request has no valid one.")
	for _, c := range []struct {
		values []string
		want   string
	}{
		{[]string{"Bearer " + key}, ""},
		{[]string{"bearer " + key}, ""},
		{[]string{"BEARER   " + key}, ""},
		{[]string{"Bearer " + key, "Bearer " + key}, twice},
		{[]string{"Bearer " + key, "Basic eA=="}, twice},
		{[]string{"", "Bearer " + key}, twice},
		{[]string{"Bearer\t" + key}, bad},
		{[]string{"Bearer \t" + key}, bad},
		{[]string{"Bearer " + key + " x"}, bad},
		{[]string{"Bearer " + key + ",Bearer " + key}, "401"},
		{[]string{"Bearer"}, bad},
		{[]string{""}, bad},
		{[]string{key}, bad},
		{[]string{"Token " + key}, bad},
		{nil, unknown},
	} {
		var headers []string
		for _, v := range c.values {
			headers = append(headers, "Authorization", v)
		}
		got := r.doAt("localhost", "GET", "/v2/stats", "", headers...)
		switch {
		case c.want == "" && !strings.HasPrefix(got, "200\n"), c.want == "401" && !strings.HasPrefix(got, "401\n"):
			t.Errorf("Authorization %q: got %s", c.values, got)
		case len(c.want) > 3:
			if diff := gocmp.Diff(c.want, got); diff != "" {
				t.Errorf("Authorization %q (-want +got):\n%s", c.values, diff)
			}
		}
	}
	// The API reads a key from nowhere else.
	for _, path := range []string{"/v2/stats?access_token=" + key, "/v2/stats?key=" + key} {
		if got := r.do("GET", path, "", "Cookie", "token="+key, "X-Api-Key", key); !strings.HasPrefix(got, "401\n") {
			t.Errorf("%s: got %s", path, got)
		}
	}
}
