package api_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"text/tabwriter"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/refusal"
	"github.com/boreas-pubsub/boreas/v2/tail"
)

// A target is a request that succeeds on its route if the caller is authorized. It uses the channel
// chat.1 and an existing token, key or session. verb is the required verb of a key; 0 if the route
// is open.
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
	{"GET /v2/channels/{channel}/messages/{position}", auth.KeySessions, ""},
	{"DELETE /v2/channels/{channel}/messages", auth.KeyAdmin, ""},
	{"GET /v2/channels/{channel}/presence", auth.KeySessions, ""},
	{"GET /v2/sessions", auth.KeySessions, ""},
	{"GET /v2/sessions/{session}", auth.KeySessions, ""},
	{"DELETE /v2/sessions/{session}", auth.KeySessions, ""},
	{"GET /v2/refusals", auth.KeySessions, ""},
	{"GET /v2/tail", auth.KeySessions, ""},
	{"GET /v2/stats", auth.KeyStats, ""},
	{"GET /v2/nodes", auth.KeyStats, ""},
	{"GET /v2/config", auth.KeySessions, ""},
	{"GET /v2/caller", auth.KeyPublish, ""}, // any verb
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

func TestTargetsHaveEveryRoute(t *testing.T) {
	var got []string
	for _, g := range targets {
		got = append(got, g.pattern)
	}
	if diff := gocmp.Diff(api.Patterns(), got); diff != "" {
		t.Errorf("(-routes +targets):\n%s", diff)
	}
}

// A gate is an API that contains a token, a key and a session, with its refusals and its log.
type gate struct {
	*rig
	log      bytes.Buffer
	refusals *refusal.Log
	session  string
	classic  string // a token
	token    string // ID of an opaque token; the tokens of the user mallory are revoked
	key      string // ID; "" before the first key
}

func newGate(t *testing.T, o api.Options) *gate {
	t.Helper()
	g := &gate{refusals: refusal.New()}
	o.Tail = tail.New()
	o.Refusals, o.Debug = g.refusals, true
	o.Log = slog.New(slog.NewTextHandler(&g.log, nil))
	var rules *boreas.Rules
	g.rig = newRig(t, boreas.Options{Rules: rules.Add(boreastest.Pattern("chat.*"), boreas.Rule{Presence: boreas.PresenceFull, ClientPublish: true})}, o)
	g.session = g.subscribe(t, "").ID()
	g.classic = g.mint()
	_, made := g.makeToken(auth.Token{User: "u2"})
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

// request returns the method and the path for a target.
func (g *gate) request(to target) (method, path string) {
	method, path, _ = strings.Cut(to.pattern, " ")
	id := g.token
	if strings.HasPrefix(path, "/v2/keys/") {
		id = g.key
	}
	if strings.Contains(path, "{position}") {
		ack, err := g.hub.Publish(g.t.Context(), "chat.1", engine.Message{Data: []byte("1")})
		if err != nil {
			g.t.Fatal(err)
		}
		path = strings.Replace(path, "{position}", ack.Position.String(), 1)
	}
	path = strings.NewReplacer("{channel}", "chat.1", "{session}", g.session, "{token}", g.classic, "{id}", id).Replace(path)
	if to.pattern == "DELETE /v2/revocations" {
		path += "?user=mallory"
	}
	return method, path
}

// identities are the callers. Each returns its value of the header Authorization.
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
	{"view", func(g *gate, _ target) string { return g.bearerKey(auth.KeyView) }},
	{"here", func(g *gate, to target) string { return g.bearerKey(cmp.Or(to.verb, auth.KeyStats), "news", "chat.*") }},
	{"elsewhere", func(g *gate, to target) string { return g.bearerKey(cmp.Or(to.verb, auth.KeyStats), "news") }},
	{"expired", func(g *gate, _ target) string {
		text, _, err := g.authority.CreateKey(auth.Key{Name: "old", Verbs: auth.KeyAdmin, Expires: time.Now().Add(time.Minute)})
		if err != nil {
			g.t.Fatal(err)
		}
		time.Sleep(time.Minute) // takes no real time in a synctest bubble
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

// try sends the request to a target and returns the status, for a batch the status of its only
// message. It checks that a refusal is recorded, and that no output contains a secret.
func (g *gate) try(to target, credential string, headers ...string) int {
	method, path := g.request(to)
	if credential != "" {
		headers = append(headers, "Authorization", credential)
	}
	if strings.HasPrefix(path, "/broadcast/") {
		headers = append(headers, "Content-Type", "application/json")
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
	refused := slices.Contains([]int{401, 403, 421, 429, 503}, status)
	if shows := strings.Contains(got, "Www-Authenticate: Bearer\n"); shows != (status == 401) {
		g.t.Errorf("%s: status %d, WWW-Authenticate is set: %v", to.pattern, status, shows)
	}
	found := g.refusals.Find(refusal.Filter{}, 10)
	switch {
	case refused && (len(found) != 1 || found[0].Verb != to.pattern || found[0].Transport != "http" || found[0].Address != "192.0.2.1"):
		g.t.Errorf("%s with %.12q: refused, but the recorded refusals are %+v", to.pattern, credential, found)
	case !refused && len(found) > 0:
		g.t.Errorf("%s with %.12q: not refused, but the recorded refusals are %+v", to.pattern, credential, found)
	}
	if _, secret, _ := strings.Cut(credential, " "); secret != "" && to.pattern != "GET /debug/token-dump" {
		for where, text := range map[string]string{"answer": got, "log": g.log.String(), "refusals": fmt.Sprint(found)} {
			if strings.Contains(text, secret) {
				g.t.Errorf("%s: the %s contains %.12q:\n%s", to.pattern, where, secret, text)
			}
		}
	}
	return status
}

// matrix tries every target with every identity, each time with a new API.
func matrix(t *testing.T) string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	for _, who := range identities {
		fmt.Fprintf(table, "%s\t", who.name)
	}
	fmt.Fprintln(table)
	for _, to := range targets {
		for _, who := range identities {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(t, api.Options{})
				_, key := g.makeKey("first", auth.KeyStats)
				g.key = key.ID
				fmt.Fprintf(table, "%d\t", g.try(to, who.show(g, to)))
			})
		}
		fmt.Fprintln(table, to.pattern)
	}
	table.Flush()
	return b.String()
}

func TestAuthorizationOfEveryRoute(t *testing.T) {
	const want = `none admin verb other view here elsewhere expired revoked unknown rules rules' free classic old token no token nonsense Basic 
401  200   200  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   POST /token/
401  200   200  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   GET /token/
401  204   204  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   DELETE /token/{token}
401  200   200  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   GET /{channel}/token/
401  200   200  403   403  200  403       401     401     401     403   403    403  403     401       401      401      401   POST /broadcast/{channel}/
401  200   200  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   GET /debug/token-dump
401  200   200  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   GET /debug/recipient-dump
200  200   200  200   200  200  200       200     200     200     200   200    200  200     200       200      200      200   GET /healthz
200  200   200  200   200  200  200       200     200     200     200   200    200  200     200       200      200      200   GET /readyz
401  200   200  403   200  200  200       401     401     401     403   403    403  403     401       401      401      401   GET /metrics
200  200   200  200   200  200  200       200     200     200     200   200    200  200     200       200      200      200   GET /openapi.json
401  201   201  403   403  201  403       401     401     401     201   403    201  201     401       401      401      401   POST /v2/channels/{channel}/messages
401  201   201  403   403  201  403       401     401     401     201   403    201  201     401       401      401      401   POST /v2/messages
401  200   200  403   200  403  403       401     401     401     403   403    403  403     401       401      401      401   GET /v2/channels
401  200   200  403   200  200  403       401     401     401     403   403    403  403     401       401      401      401   GET /v2/channels/{channel}
401  200   200  403   403  200  403       401     401     401     200   403    200  200     401       401      401      401   GET /v2/channels/{channel}/messages
401  200   200  403   200  200  403       401     401     401     403   403    403  403     401       401      401      401   GET /v2/channels/{channel}/messages/{position}
401  200   200  403   403  200  403       401     401     401     403   403    403  403     401       401      401      401   DELETE /v2/channels/{channel}/messages
401  200   200  403   200  200  403       401     401     401     200   403    200  200     401       401      401      401   GET /v2/channels/{channel}/presence
401  200   200  403   200  403  403       401     401     401     403   403    403  403     401       401      401      401   GET /v2/sessions
401  200   200  403   200  403  403       401     401     401     403   403    403  403     401       401      401      401   GET /v2/sessions/{session}
401  204   204  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   DELETE /v2/sessions/{session}
401  200   200  403   200  403  403       401     401     401     403   403    403  403     401       401      401      401   GET /v2/refusals
401  200   200  403   200  200  200       401     401     401     403   403    403  403     401       401      401      401   GET /v2/tail
401  200   200  403   200  200  200       401     401     401     403   403    403  403     401       401      401      401   GET /v2/stats
401  200   200  403   200  200  200       401     401     401     403   403    403  403     401       401      401      401   GET /v2/nodes
401  200   200  403   200  403  403       401     401     401     403   403    403  403     401       401      401      401   GET /v2/config
401  200   200  200   200  200  200       401     401     401     403   403    403  403     401       401      401      401   GET /v2/caller
401  201   201  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   POST /v2/tokens
401  200   200  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   GET /v2/tokens
401  200   200  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   POST /v2/tokens/inspect
401  200   200  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   GET /v2/tokens/{id}
401  200   200  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   PATCH /v2/tokens/{id}
401  200   200  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   DELETE /v2/tokens/{id}
401  201   201  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   POST /v2/revocations
401  200   200  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   GET /v2/revocations
401  204   204  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   DELETE /v2/revocations
401  201   201  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   POST /v2/keys
401  200   200  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   GET /v2/keys
401  200   200  403   403  403  403       401     401     401     403   403    403  403     401       401      401      401   DELETE /v2/keys/{id}
`
	if diff := gocmp.Diff(want, matrix(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A token that the operator's backend accepts has the same effect. While the backend does not
// respond, the token's validity is unknown.
func TestTokensOfABackend(t *testing.T) {
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"user":"eve","rules":[{"channels":["chat.*"],"allow":["history"]}]}`)
	}))
	defer there.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, to := range targets {
		for url, want := range map[string]int{there.URL: 403, gone.URL: 503} {
			switch {
			case to.verb == 0, url == there.URL && to.pattern == "GET /v2/channels/{channel}/messages":
				want = 200
			}
			backend, err := auth.NewBackend(auth.BackendOptions{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			g := newGate(t, api.Options{Authority: open(t, auth.Options{Backend: backend})})
			if got := g.try(to, "Bearer theirs"); got != want {
				t.Errorf("%s: got %d, want %d", to.pattern, got, want)
			}
		}
	}
}

// Over HTTP, a subscriber may not publish where it may not publish over its connection. A caller
// with a key may.
func TestTokensPublishWhereTheChannelsRuleAllowsIt(t *testing.T) {
	g := newGate(t, api.Options{})
	credential := g.bearerToken("null")
	const why = `"message":"The channel's rule does not let clients publish (client_publish).","retry":"never","docs":"docs/errors.md#not_permitted"}}`
	for _, c := range []struct{ path, body, credential, want string }{
		{"/v2/channels/news/messages", "1", credential, told(403, `{"error":{"code":"not_permitted",`+why)},
		{"/v2/channels/chat.1/messages", "1", credential, told(201, `{"position":"E-1","subscribers":0}`)},
		{
			"/v2/messages", `{"messages":[{"channel":"news","message":1},{"channel":"chat.1","message":1}]}`, credential,
			told(200, `{"results":[{"error":{"code":"not_permitted",`+why+`,{"position":"E-2","subscribers":0}]}`),
		},
		{"/v2/channels/news/messages", "1", g.bearerKey(auth.KeyPublish), told(201, `{"position":"E-1","subscribers":0}`)},
	} {
		if diff := gocmp.Diff(c.want, g.ask("POST", c.path, c.body, "Authorization", c.credential)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.path, diff)
		}
	}
}
