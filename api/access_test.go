package api_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"text/tabwriter"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/api"
	"github.com/boreas-pubsub/boreas/auth"
	"github.com/boreas-pubsub/boreas/internal/fault"
	"github.com/boreas-pubsub/boreas/internal/refusal"
)

// A target is a request that each route answers well, if who asks may: about the channel
// chat.1, the token or key that is to be had, or the session. Verb is the one that a key
// needs; none if the route is open.
type target struct {
	pattern string
	verb    auth.KeyVerb
	body    string
}

var targets = []target{
	{"POST /token/", auth.KeyTokens, ""},
	{"GET /token/", auth.KeyTokens, ""},
	{"DELETE /token/{token}", auth.KeyTokens, ""},
	{"GET /{channel}/token/", auth.KeyTokens, ""},
	{"POST /broadcast/{channel}/", auth.KeyPublish, `{"payload":1}`},
	{"GET /debug/token-dump", auth.KeyTokens, ""},
	{"GET /debug/recipient-dump", auth.KeyTokens, ""},
	{"GET /healthz", 0, ""},
	{"GET /readyz", 0, ""},
	{"GET /metrics", auth.KeyStats, ""},
	{"GET /openapi.json", 0, ""},
	{"POST /v2/channels/{channel}/messages", auth.KeyPublish, "1"},
	{"POST /v2/messages", auth.KeyPublish, `{"messages":[{"channel":"chat.1","message":1}]}`},
	{"GET /v2/channels", auth.KeySessions, ""},
	{"GET /v2/channels/{channel}", auth.KeySessions, ""},
	{"GET /v2/channels/{channel}/messages", auth.KeySessions, ""},
	{"GET /v2/channels/{channel}/presence", auth.KeySessions, ""},
	{"GET /v2/sessions", auth.KeySessions, ""},
	{"GET /v2/sessions/{session}", auth.KeySessions, ""},
	{"DELETE /v2/sessions/{session}", auth.KeySessions, ""},
	{"GET /v2/refusals", auth.KeySessions, ""},
	{"GET /v2/stats", auth.KeyStats, ""},
	{"POST /v2/tokens", auth.KeyTokens, "{}"},
	{"GET /v2/tokens", auth.KeyTokens, ""},
	{"POST /v2/tokens/inspect", auth.KeyTokens, `{"token":"nonsense"}`},
	{"GET /v2/tokens/{id}", auth.KeyTokens, ""},
	{"PATCH /v2/tokens/{id}", auth.KeyTokens, `{"label":"new"}`},
	{"DELETE /v2/tokens/{id}", auth.KeyTokens, ""},
	{"POST /v2/revocations", auth.KeyTokens, `{"user":"u1"}`},
	{"GET /v2/revocations", auth.KeyTokens, ""},
	{"DELETE /v2/revocations", auth.KeyTokens, ""},
	{"POST /v2/keys", auth.KeyAdmin, `{"name":"n","verbs":["stats"]}`},
	{"GET /v2/keys", auth.KeyAdmin, ""},
	{"DELETE /v2/keys/{id}", auth.KeyAdmin, ""},
}

func TestTargetsAreAllRoutes(t *testing.T) {
	var got []string
	for _, g := range targets {
		got = append(got, g.pattern)
	}
	if diff := gocmp.Diff(api.Patterns(), got); diff != "" {
		t.Errorf("(-routes +targets):\n%s", diff)
	}
}

// a gate is an API with something of everything, and all that it remembers and logs.
type gate struct {
	*rig
	log      bytes.Buffer
	refusals *refusal.Log
	session  string
	classic  string // a token
	token    string // ID of an opaque one, of the user mallory, who has been revoked
	key      string // ID; "" while there is none
}

func newGate(t *testing.T, o api.Options) *gate {
	t.Helper()
	g := &gate{refusals: refusal.New()}
	o.Refusals, o.Debug = g.refusals, true
	o.Log = slog.New(slog.NewTextHandler(&g.log, nil))
	chat, err := boreas.ParsePattern("chat.*")
	if err != nil {
		t.Fatal(err)
	}
	var rules *boreas.Rules
	g.rig = newRig(t, boreas.Options{Rules: rules.Add(chat, boreas.Rule{Presence: boreas.PresenceFull, ClientPublish: true})}, o)
	g.session = g.subscribe(t, "").ID()
	g.classic = g.mint()
	_, made := g.makeToken(auth.Token{User: "mallory"})
	g.token = made.ID
	if _, err := g.authority.Revoke(auth.Revocation{User: "mallory"}); err != nil {
		t.Fatal(err)
	}
	return g
}

func (r *rig) makeToken(k auth.Token) (string, auth.Token) {
	r.t.Helper()
	text, made, err := r.authority.CreateToken(k)
	if err != nil {
		r.t.Fatal(err)
	}
	return text, made
}

func (r *rig) makeKey(name string, verbs auth.KeyVerb, channels ...string) (string, auth.Key) {
	r.t.Helper()
	text, made, err := r.authority.CreateKey(auth.Key{Name: name, Verbs: verbs, Channels: channels})
	if err != nil {
		r.t.Fatal(err)
	}
	return text, made
}

// request is the request to a target.
func (g *gate) request(to target) (method, path string) {
	method, path, _ = strings.Cut(to.pattern, " ")
	id := g.token
	if strings.HasPrefix(path, "/v2/keys/") {
		id = g.key
	}
	path = strings.NewReplacer("{channel}", "chat.1", "{session}", g.session, "{token}", g.classic, "{id}", id).Replace(path)
	if to.pattern == "DELETE /v2/revocations" {
		path += "?user=mallory"
	}
	return method, path
}

// identities are who asks: each makes what stands in the header Authorization.
var identities = []struct {
	name string
	show func(g *gate, to target) string
}{
	{"none", func(*gate, target) string { return "" }},
	{"admin", func(g *gate, _ target) string { return g.bearerKey(auth.KeyAdmin) }},
	{"verb", func(g *gate, to target) string { return g.bearerKey(cmp.Or(to.verb, auth.KeyStats)) }},
	{"other", func(g *gate, to target) string {
		if to.verb == auth.KeyStats {
			return g.bearerKey(auth.KeyPublish | auth.KeyTokens | auth.KeySessions)
		}
		return g.bearerKey((auth.KeyPublish | auth.KeyTokens | auth.KeySessions | auth.KeyStats) &^ to.verb)
	}},
	{"here", func(g *gate, to target) string { return g.bearerKey(cmp.Or(to.verb, auth.KeyStats), "news", "chat.*") }},
	{"elsewhere", func(g *gate, to target) string { return g.bearerKey(cmp.Or(to.verb, auth.KeyStats), "news") }},
	{"expired", func(g *gate, _ target) string {
		text, _, err := g.authority.CreateKey(auth.Key{Name: "old", Verbs: auth.KeyAdmin, Expires: time.Now().Add(time.Minute)})
		if err != nil {
			g.t.Fatal(err)
		}
		time.Sleep(time.Minute) // which is no time in a bubble
		return "Bearer " + text
	}},
	{"revoked", func(g *gate, _ target) string {
		text, key := g.makeKey("gone", auth.KeyAdmin)
		if _, err := g.authority.Revoke(auth.Revocation{Key: key.ID}); err != nil {
			g.t.Fatal(err)
		}
		return "Bearer " + text
	}},
	{"unknown", func(*gate, target) string { return "Bearer bk_" + strings.Repeat("A", 43) }},
	{"rules", func(g *gate, _ target) string {
		return g.bearerToken(`[{"channels":["chat.*"],"allow":["publish","history","presence"]}]`)
	}},
	{"rules'", func(g *gate, _ target) string {
		return g.bearerToken(`[{"channels":["news"],"allow":["publish","history","presence"]}]`)
	}},
	{"free", func(g *gate, _ target) string { return g.bearerToken("null") }},
	{"classic", func(g *gate, _ target) string { return "Bearer " + g.mint() }},
	{"old token", func(g *gate, _ target) string {
		text, _ := g.makeToken(auth.Token{Expires: time.Now().Add(time.Minute)})
		time.Sleep(time.Minute)
		return "Bearer " + text
	}},
	{"no token", func(g *gate, _ target) string {
		text, made := g.makeToken(auth.Token{})
		if _, err := g.authority.Revoke(auth.Revocation{Token: made.ID}); err != nil {
			g.t.Fatal(err)
		}
		return "Bearer " + text
	}},
	{"nonsense", func(*gate, target) string { return "Bearer nonsense" }},
	{"Basic", func(*gate, target) string { return "Basic Ym9yZWFzOnNlY3JldA==" }},
}

func (g *gate) bearerKey(verbs auth.KeyVerb, channels ...string) string {
	text, _ := g.makeKey("asks", verbs, channels...)
	return "Bearer " + text
}

func (g *gate) bearerToken(rules string) string {
	p, err := auth.ParseRules([]byte(rules))
	if err != nil {
		g.t.Fatal(err)
	}
	text, _ := g.makeToken(auth.Token{User: "u1", Rules: p})
	return "Bearer " + text
}

// try sends the request to a target, and returns its status; of a batch, that of its
// only message. What is refused must be remembered, and nothing may give a secret away.
func (g *gate) try(to target, credential string, headers ...string) int {
	method, path := g.request(to)
	if credential != "" {
		headers = append(headers, "Authorization", credential)
	}
	got := g.do(method, path, to.body, headers...)
	status, _ := strconv.Atoi(got[:3])
	_, body, _ := strings.Cut(got, "\n\n")
	var batch struct {
		Results []struct{ Error struct{ Code string } }
	}
	if to.pattern == "POST /v2/messages" && json.Unmarshal([]byte(body), &batch) == nil && batch.Results != nil {
		status = 201
		if code := batch.Results[0].Error.Code; code != "" {
			status = fault.All()[slices.IndexFunc(fault.All(), func(f *fault.Fault) bool { return f.Code == code })].Status
		}
	}
	refused := slices.Contains([]int{401, 403, 421}, status)
	if shows := strings.Contains(got, "Www-Authenticate: Bearer\n"); shows != (status == 401) {
		g.t.Errorf("%s: status %d, WWW-Authenticate there: %v", to.pattern, status, shows)
	}
	found := g.refusals.Find(refusal.Filter{}, 10)
	switch {
	case refused && (len(found) != 1 || found[0].Verb != to.pattern || found[0].Transport != "http" || found[0].Address != "192.0.2.1"):
		g.t.Errorf("%s with %.12q: refused, and these are remembered: %+v", to.pattern, credential, found)
	case !refused && len(found) > 0:
		g.t.Errorf("%s with %.12q: not refused, and these are remembered: %+v", to.pattern, credential, found)
	}
	if _, secret, _ := strings.Cut(credential, " "); secret != "" && to.pattern != "GET /debug/token-dump" {
		for where, text := range map[string]string{"answer": got, "log": g.log.String(), "refusals": fmt.Sprint(found)} {
			if strings.Contains(text, secret) {
				g.t.Errorf("%s: the %s gives %.12q away:\n%s", to.pattern, where, secret, text)
			}
		}
	}
	return status
}

// matrix tries every target as everybody, each time at an API of its own.
func matrix(t *testing.T, withKey bool, o api.Options) string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	for _, who := range identities {
		fmt.Fprintf(table, "%s\t", who.name)
	}
	fmt.Fprintln(table)
	for _, to := range targets {
		for _, who := range identities {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(t, o)
				if withKey {
					_, key := g.makeKey("first", auth.KeyStats)
					g.key = key.ID
				}
				fmt.Fprintf(table, "%d\t", g.try(to, who.show(g, to)))
			})
		}
		fmt.Fprintln(table, to.pattern)
	}
	table.Flush()
	return b.String()
}

func TestWhoMayDoWhat(t *testing.T) {
	const want = `
`
	if diff := gocmp.Diff(want, "\n"+matrix(t, true, api.Options{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// While there is no key, all may do everything; but who shows something must mean it.
func TestOpenAPI(t *testing.T) {
	for name, o := range map[string]api.Options{"insecure": {Insecure: true}, "loopback": {Loopback: true, Hosts: []string{"example.com"}}} {
		for _, to := range targets {
			for credential, want := range map[string]int{
				"":                           0,
				"Basic Ym9yZWFzOnNlY3JldA==": 0, // a proxy has asked for a password
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

// Without a key, and neither on this machine alone nor open on purpose, all is closed.
func TestClosedAPI(t *testing.T) {
	hub := boreas.New(boreas.Options{})
	t.Cleanup(func() { hub.Shutdown(t.Context(), 0) })
	r := &rig{t: t, hub: hub, authority: open(t, auth.Options{}), debug: true}
	r.api = api.Handler(hub, api.Options{Authority: r.authority, Debug: true})
	g := &gate{rig: r}
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

// A web page can let its own name lead to this machine.
func TestHost(t *testing.T) {
	classic := errorAnswer(421, "The API is open to this machine alone, and was asked for under another name: a web page may be behind it.")
	v2 := failure(421, "host_not_allowed", "The API is open to this machine alone, and was asked for under another name: a web page may be behind it.", "")
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
			g := newGate(t, api.Options{Loopback: true, Hosts: []string{"proxy.example", "api.example:8443"}})
			g.key = "key_nonsense"
			method, path := g.request(to)
			want := classic
			if strings.HasPrefix(path, "/v2/") {
				want = v2
			}
			got := g.doAt(host, method, path, to.body)
			if to.verb == 0 || allowed {
				if got == want {
					t.Errorf("Host %q: %s is refused", host, to.pattern)
				}
				continue
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("Host %q: %s (-want +got):\n%s", host, to.pattern, diff)
			}
		}
	}
	g := newGate(t, api.Options{Loopback: true})
	credential := g.bearerKey(auth.KeyAdmin)
	if got := g.doAt("evil.example", "GET", "/v2/stats", "", "Authorization", credential); !strings.HasPrefix(got, "200\n") {
		t.Errorf("with a key the host does not matter: got %s", got)
	}
}

// doAt is do for a server that is asked for under a name.
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

// The header Authorization is read in one way only.
func TestAuthorizationHeader(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	key, _ := r.makeKey("k", auth.KeyStats)
	invalid := func(message string) string {
		return strings.Replace(failure(401, "invalid_key", message, ""), "\nX-Content", "\nWww-Authenticate: Bearer\nX-Content", 1)
	}
	twice := invalid("The header Authorization is there 2 times.")
	bad := invalid("The header Authorization must be `Bearer`, a blank, and a key or token.")
	unknown := invalid("The API needs a key, and none was shown that is valid.")
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
	// A key is nowhere else looked for.
	for _, path := range []string{"/v2/stats?access_token=" + key, "/v2/stats?key=" + key} {
		if got := r.do("GET", path, "", "Cookie", "token="+key, "X-Api-Key", key); !strings.HasPrefix(got, "401\n") {
			t.Errorf("%s: got %s", path, got)
		}
	}
}
