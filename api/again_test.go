package api_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A slowBody is the body of a request. It calls a function after its first half.
type slowBody struct {
	text    string
	between func()
}

func (b *slowBody) Read(p []byte) (int, error) {
	half := len(b.text) - len(b.text)/2
	if b.between == nil {
		half = len(b.text)
	}
	if half == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.text[:half])
	b.text = b.text[n:]
	if b.between != nil {
		b.between()
		b.between = nil
	}
	return n, nil
}

// send sends a request with a slow body and returns the response.
func (r *rig) send(method, path, credential string, body *slowBody) string {
	req := httptest.NewRequest(method, path, body)
	req.Host = "localhost"
	req.Header.Set("Content-Type", "application/json")
	if credential != "" {
		req.Header.Set("Authorization", "Bearer "+credential)
	}
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, req)
	return answer(rec.Result())
}

// requestsWithBodies lists all routes that read a body, each with a body that has an effect.
var requestsWithBodies = []struct {
	pattern, path, body string
	byToken             bool // a subscriber's token is enough
}{
	{"POST /broadcast/{channel}/", "/broadcast/chat.1/", `{"payload":1}`, false},
	{"POST /broadcast/{channel}/", "/broadcast/chat.1/", `{"payload":1,"dryrun":true}`, false},
	{"POST /v2/channels/{channel}/messages", "/v2/channels/chat.1/messages", `"hello"`, true},
	{"POST /v2/channels/{channel}/messages", "/v2/channels/chat.1/messages?dry_run=true", `"hello"`, true},
	{"POST /v2/messages", "/v2/messages", `{"messages":[{"channel":"chat.1","message":1},{"channel":"chat.1","message":2}]}`, true},
	{"POST /v2/messages", "/v2/messages?dry_run=true", `{"messages":[{"channel":"chat.1","message":1}]}`, true},
	{"POST /v2/tokens", "/v2/tokens", `{"user":"new"}`, false},
	{"PATCH /v2/tokens/{id}", "/v2/tokens/OTHER", `{"label":"new"}`, false},
	{"POST /v2/tokens/inspect", "/v2/tokens/inspect", `{"token":"nonsense"}`, false},
	{"POST /v2/revocations", "/v2/revocations", `{"user":"bob"}`, false},
	{"POST /v2/keys", "/v2/keys", `{"name":"evil","verbs":["admin"]}`, false},
}

func chatRules() *boreas.Rules {
	var rules *boreas.Rules
	return rules.Add(boreastest.Pattern("chat.*"), boreas.Rule{ClientPublish: true})
}

// TestRevokedWhileTheBodyComes: the permission of a caller ends before the body has arrived, so the
// request changes nothing.
func TestRevokedWhileTheBodyComes(t *testing.T) {
	for _, request := range requestsWithBodies {
		for _, how := range []string{"key revoked", "key expired", "token revoked", "user revoked", "token expired", "token's rules changed", "first key made", "nothing"} {
			byToken := strings.HasPrefix(how, "token") || strings.HasPrefix(how, "user")
			if byToken && !request.byToken {
				continue
			}
			t.Run(request.pattern+" "+request.path+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, boreas.Options{Rules: chatRules()}, api.Options{Loopback: true})
					must := func(err error) {
						t.Helper()
						if err != nil {
							t.Fatal(err)
						}
					}
					_, other := r.makeToken(auth.Token{User: "bob", Label: "old"})
					credential, status := "", "401"
					var between func()
					switch how {
					case "first key made":
						between = func() { r.makeKey("first", auth.KeyAdmin) }
					case "key revoked", "key expired", "nothing":
						text, made, err := r.authority.CreateKey(auth.Key{Name: "k", Verbs: auth.KeyAdmin, Expires: time.Now().Add(time.Hour)})
						must(err)
						credential = text
						between = func() {
							_, err := r.authority.Revoke(auth.Revocation{Key: made.ID})
							must(err)
						}
						if how == "key expired" {
							between = func() { time.Sleep(time.Hour) }
						} else if how == "nothing" {
							status, between = "20", func() {}
						}
					default:
						text, made := r.makeToken(auth.Token{User: "ann", Expires: time.Now().Add(time.Hour)})
						credential = text
						between = func() {
							var err error
							switch how {
							case "token revoked":
								_, err = r.authority.Revoke(auth.Revocation{Token: made.ID})
							case "user revoked":
								_, err = r.authority.Revoke(auth.Revocation{User: "ann"})
							case "token expired":
								time.Sleep(time.Hour)
							default:
								rules, bad := auth.ParseRules([]byte(`[{"channels":["chat.*"],"allow":["join"]}]`))
								must(bad)
								_, _, err = r.authority.UpdateToken(made.ID, auth.TokenChange{Rules: &rules})
								status = "403"
							}
							must(err)
						}
					}
					method, _, _ := strings.Cut(request.pattern, " ")
					got := r.send(method, strings.Replace(request.path, "OTHER", other.ID, 1), credential, &slowBody{request.body, between})
					if perItem := strings.HasPrefix(got, "200\n") && strings.Contains(got, `"results":`) && strings.Contains(got, `not_permitted`); perItem && status == "403" {
						status = "200" // each message has its own refusal
					}
					if !strings.HasPrefix(got, status) {
						t.Errorf("got %s", got)
					}
					if status == "401" && !strings.Contains(got, "Www-Authenticate: Bearer") {
						t.Errorf("the response has no WWW-Authenticate: %s", got)
					}
					if how == "nothing" {
						return
					}
					// Nothing was changed.
					if got := r.history("chat.1"); got != 0 {
						t.Errorf("%d messages were published", got)
					}
					if list, _ := r.authority.Tokens("new", "", 10); len(list) != 0 {
						t.Error("a token was made")
					}
					if token, err := r.authority.Token(other.ID); err != nil || token.Label != "old" {
						t.Errorf("the token was changed or revoked: %v, %v", token, err)
					}
					for _, k := range r.authority.Keys() {
						if k.Name == "evil" {
							t.Error("a key was made")
						}
					}
				})
			})
		}
	}
}

// history returns the number of kept messages of a channel.
func (r *rig) history(channel string) int {
	r.t.Helper()
	h, err := r.hub.History(r.t.Context(), channel, engine.Position{}, engine.Limit{Messages: 100})
	if err != nil && !errors.Is(err, engine.ErrExpired) {
		r.t.Fatal(err)
	}
	return len(h.Publications)
}

// TestTableHasEveryRouteWithABody: the table above contains every route that reads a body.
func TestTableHasEveryRouteWithABody(t *testing.T) {
	for _, to := range targets {
		method, _, _ := strings.Cut(to.pattern, " ")
		tried := false
		for _, request := range requestsWithBodies {
			tried = tried || request.pattern == to.pattern
		}
		if to.body != "" && !tried {
			t.Errorf("%s has a body, but is not in the table", to.pattern)
		}
		if method == "PATCH" && !tried {
			t.Errorf("%s is not in the table", to.pattern)
		}
	}
}
