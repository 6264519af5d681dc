package api_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/limit"
	"github.com/boreas-pubsub/boreas/v2/refusal"
)

// TestLimits exceeds the limits of a key, a user and an address. Requests over the limit are
// refused and have no effect. Classic paths use their own format of errors.
func TestLimits(t *testing.T) {
	everything, err := access.NewPermissions([]access.Permission{{Pattern: "**", Allow: access.AllVerbs}})
	if err != nil {
		t.Fatal(err)
	}
	rules := new(boreas.Rules).Add(boreastest.Pattern("**"), boreas.Rule{ClientPublish: true})
	many := func(n int) string {
		return `{"messages":[` + strings.TrimSuffix(strings.Repeat(`{"channel":"a","message":1},`, n), ",") + `]}`
	}
	for name, c := range map[string]struct {
		limits limit.Options
		token  bool // a token instead of a key
		method string
		path   string
		body   string
		n      int    // the number of requests
		want   string // part of a refusal
	}{
		"requests of a key":   {limit.Options{Key: limit.Bounds{Requests: 3}}, false, "GET", "/v2/stats", "", 50, `"code":"rate_limited","message":"`},
		"publishes of a key":  {limit.Options{Key: limit.Bounds{Publishes: 3}}, false, "POST", "/v2/channels/a/messages", "1", 50, `(key_publishes)`},
		"broadcasts of a key": {limit.Options{Key: limit.Bounds{Publishes: 3}}, false, "POST", "/broadcast/a/", `{"payload": 1}`, 50, `(key_publishes)`},
		"a batch of a key":    {limit.Options{Key: limit.Bounds{Publishes: 3}}, false, "POST", "/v2/messages", many(50), 1, `(key_publishes)`},
		"bytes of a key":      {limit.Options{Key: limit.Bounds{Bytes: 300}}, false, "POST", "/v2/channels/a/messages", strings.Repeat(" ", 100) + "1", 50, `(key_bytes)`},
		"publishes of a user": {limit.Options{User: limit.Bounds{Publishes: 3}}, true, "POST", "/v2/channels/a/messages", "1", 50, `(user_publishes)`},
		"requests of a user":  {limit.Options{User: limit.Bounds{Requests: 3}}, true, "GET", "/v2/channels/a/messages", "", 50, `(user_requests)`},
	} {
		t.Run(name, func(t *testing.T) {
			refusals := refusal.New()
			r := newRig(t, boreas.Options{Rules: rules}, api.Options{Limits: limit.New(c.limits), Refusals: refusals})
			credential, _, err := r.authority.CreateKey(auth.Key{Name: "backend", Verbs: auth.KeyAdmin})
			if c.token && err == nil {
				credential, _, err = r.authority.CreateToken(auth.Token{User: "ann", Rules: everything})
			}
			if err != nil {
				t.Fatal(err)
			}
			done, refused := 0, 0
			for range c.n {
				answer := r.do(c.method, c.path, c.body, "Authorization", "Bearer "+credential, "Content-Type", "application/json")
				if strings.Contains(answer, c.want) {
					refused += strings.Count(answer, c.want)
					if c.n > 1 && (!strings.HasPrefix(answer, "429") || !strings.Contains(answer, "Retry-After: ")) {
						t.Errorf("refused with %s", answer)
					}
				}
				done += strings.Count(answer, `"position"`)
			}
			if refused == 0 || c.method == "POST" && !strings.HasPrefix(c.path, "/broadcast") && (done == 0 || r.hub.Stats().Publishes != uint64(done)) {
				t.Errorf("%d refused, %d done, %d published", refused, done, r.hub.Stats().Publishes)
			}
			if found := refusals.Find(refusal.Filter{}, 1); len(found) != 1 || found[0].Code != "rate_limited" || found[0].TokenID == "" {
				t.Errorf("recorded refusals: %+v", found)
			}
		})
	}
}

// TestBodiesWithoutALengthCount: bodies without a Content-Length count while they arrive.
func TestBodiesWithoutALengthCount(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{Limits: limit.New(limit.Options{Key: limit.Bounds{Bytes: 100}})})
	text, _ := r.makeKey("shop", auth.KeyPublish)
	got := ""
	for range 3 {
		req := httptest.NewRequest("POST", "/v2/channels/a/messages", io.MultiReader(strings.NewReader(strings.Repeat(" ", 500)+"1")))
		req.Header.Set("Authorization", "Bearer "+text)
		rec := httptest.NewRecorder()
		r.ServeHTTP(rec, req)
		got += fmt.Sprint(rec.Code, " ")
	}
	if got != "201 429 429 " {
		t.Errorf("the answers are %s", got)
	}
}

// TestGuessing: after too many invalid keys and tokens, the next ones get 429. A valid key and a
// valid token from the same address are still accepted.
func TestGuessing(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{Limits: limit.New(limit.Options{Address: limit.Bounds{Failures: 5}})})
	key, _, err := r.authority.CreateKey(auth.Key{Name: "backend", Verbs: auth.KeyAdmin})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	ask := func(credential string) string {
		answer := r.do("GET", "/v2/stats", "", "Authorization", "Bearer "+credential)
		return answer[:3]
	}
	for i := range 20 {
		counts[ask(fmt.Sprint([]string{"bk_", "bt_"}[i%2], "guess", i))]++
	}
	if counts["401"] < 5 || counts["401"] > 10 || counts["401"]+counts["429"] != 20 {
		t.Errorf("answers by status: %v", counts)
	}
	if got := ask(key); got != "200" {
		t.Errorf("a valid key gets %s", got)
	}
	token, _, err := r.authority.CreateToken(auth.Token{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.do("GET", "/v2/channels/news/messages", "", "Authorization", "Bearer "+token)[:3]; got != "200" {
		t.Errorf("a valid token gets %s", got)
	}
}

// TestEveryRouteIsLimited calls each route that needs a key more often than the limit allows.
func TestEveryRouteIsLimited(t *testing.T) {
	for _, to := range targets {
		if to.verb == 0 {
			continue
		}
		t.Run(to.pattern, func(t *testing.T) {
			g := newGate(t, api.Options{Limits: limit.New(limit.Options{Key: limit.Bounds{Requests: 1}})})
			admin := g.bearerKey(auth.KeyAdmin)
			for range 3 { // one more than two seconds allow
				if g.try(to, admin) == http.StatusTooManyRequests {
					return
				}
			}
			t.Error("the route is not limited")
		})
	}
}

// TestTooManyStored: when the store is full, a new entry is refused with that reason.
func TestTooManyStored(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{
		Authority: open(t, auth.Options{KeepText: true, MaxTokens: 2, MaxKeys: 2, MaxRevocations: 1}),
	})
	admin, adminKey := r.makeKey("admin", auth.KeyAdmin)
	if err := r.authority.Add("from-a-provider"); err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, body string) string {
		answer := r.do(method, path, body, "Authorization", "Bearer "+admin)
		status, _, _ := strings.Cut(answer, "\n")
		if strings.HasPrefix(status, "507") && !strings.Contains(answer, `"code":"too_many_stored"`) {
			t.Errorf("%s %s: %s", method, path, answer)
		}
		return status[:3]
	}
	list, _ := r.authority.Tokens("", "", 10) // only the provider's tokens
	got := []string{
		ask("POST", "/v2/tokens", `{}`),
		ask("POST", "/v2/tokens", `{}`),
		ask("POST", "/v2/keys", `{"name":"b","verbs":["stats"]}`),
		ask("POST", "/v2/keys", `{"name":"c","verbs":["stats"]}`),
		ask("POST", "/v2/revocations", `{"user":"ann"}`),
		ask("POST", "/v2/revocations", `{"user":"bob"}`),
		ask("DELETE", "/v2/tokens/"+list[0].ID, ""),
		ask("DELETE", "/v2/keys/"+adminKey.ID, ""),
	}
	if diff := cmp.Diff([]string{"201", "507", "201", "507", "201", "507", "507", "507"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
