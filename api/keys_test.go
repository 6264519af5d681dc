package api_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// withKey returns a function that sends requests with a key.
func (r *rig) withKey(key string) func(method, path, body string) string {
	return func(method, path, body string) string {
		return scrub(r.do(method, path, body, "Authorization", "Bearer "+key))
	}
}

func TestKeys(t *testing.T) {
	logger, log := testlog.New()
	r := newRig(t, boreas.Options{}, api.Options{Log: logger})
	first := r.do("POST", "/v2/keys", `{"name":"operator","verbs":["admin"]}`)
	want := told(201, `{"key":"bk_SECRET","id":"key_ID","name":"operator","verbs":["admin"],"created":"T"}`)
	if diff := cmp.Diff(want, scrub(first)); diff != "" {
		t.Fatalf("the first key (-want +got):\n%s", diff)
	}
	admin := r.withKey(secrets.FindString(first))
	made := func(more string) string {
		return told(201, `{"key":"bk_SECRET","id":"key_ID","name":"shop",`+more+`}`)
	}
	for _, s := range []sample{
		{"POST", "/v2/keys", `{"name":"shop","verbs":["publish","tokens","publish"],"channels":["orders.*","news"],"ttl":3600}`, made(`"verbs":["publish","tokens"],"channels":["orders.*","news"],"created":"T","expires":"T"`)},
		{"POST", "/v2/keys", `{"name":"shop","verbs":["stats","sessions"],"expires":null}`, made(`"verbs":["sessions","stats"],"created":"T"`)},
		{"POST", "/v2/keys", `{"verbs":["stats"]}`, bad("`name` is required: the name of the key.")},
		{"POST", "/v2/keys", `{"name":7,"verbs":["stats"]}`, bad("`name` must be a string.")},
		{"POST", "/v2/keys", `{"name":"x"}`, bad("`verbs` is required: a list of the verbs that the key allows.")},
		{"POST", "/v2/keys", `{"name":"x","verbs":[]}`, bad("`verbs` is required: a list of the verbs that the key allows.")},
		{"POST", "/v2/keys", `{"name":"x","verbs":"stats"}`, bad("`verbs` must be a list of strings.")},
		{"POST", "/v2/keys", `{"name":"x","verbs":["stats",null]}`, bad("`verbs` must be a list of strings.")},
		{"POST", "/v2/keys", `{"name":"x","verbs":["join"]}`, bad(`` + "`verbs`: there is no verb \\\"join\\\" of keys: the verbs are publish, tokens, sessions, stats, view, admin.")},
		{"POST", "/v2/keys", `{"name":"x","verbs":["stats"],"channels":[]}`, bad("`channels` is empty: omit it to allow all channels.")},
		{"POST", "/v2/keys", `{"name":"x","verbs":["stats"],"channels":null}`, bad("`channels` must be a list of strings.")},
		{"POST", "/v2/keys", `{"name":"x","verbs":["stats"],"channels":[""]}`, bad("`channels`: the pattern is empty: ** matches every channel.")},
		{"POST", "/v2/keys", `{"name":"x","verbs":["stats"],"channels":["a"` + strings.Repeat(`,"a"`, 100) + `]}`, bad("`channels` has 101 patterns, more than 100.")},
		{"POST", "/v2/keys", `{"name":"x","verbs":["stats"],"ttl":0}`, bad("`ttl` must be a whole number of seconds from 1 to 1000000000.")},
		{"POST", "/v2/keys", `{"name":"x","verbs":["stats"],"admin":true}`, bad(`Unknown member \"admin\": the members are name, verbs, channels, ttl, expires.`)},
		{"GET", "/v2/keys", ``, told(200, `{"keys":[{"id":"key_ID","name":"operator","verbs":["admin"],"created":"T","last_used":"T"},`+
			`{"id":"key_ID","name":"shop","verbs":["publish","tokens"],"channels":["orders.*","news"],"created":"T","expires":"T"},`+
			`{"id":"key_ID","name":"shop","verbs":["sessions","stats"],"created":"T"}]}`)},
		{"DELETE", "/v2/keys/key_AAAAAAAAAAAAAAAA", ``, strings.TrimSuffix(failure(404, "no_key", "There is no key with this ID.", ""), "\n")},
		{"DELETE", "/v2/keys/some-kid", ``, strings.TrimSuffix(failure(404, "no_key", "There is no key with this ID.", ""), "\n")},
	} {
		if diff := cmp.Diff(s.want, admin(s.method, s.path, s.body)); diff != "" {
			t.Errorf("%s %s %s (-want +got):\n%s", s.method, s.path, s.body, diff)
		}
	}
	wantLog := `level=INFO msg="an API key was made" key=key_ID name=operator verbs=admin by="nobody: the API needs no key"
level=INFO msg="an API key was made" key=key_ID name=shop verbs="publish, tokens" by="key_ID (operator)"
level=INFO msg="an API key was made" key=key_ID name=shop verbs="sessions, stats" by="key_ID (operator)"`
	if diff := cmp.Diff(wantLog, scrub(log.String())); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// A key owns the tokens that it creates, and deleting the key revokes them.
func TestTokensOfAKey(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{Debug: true})
	adminText, _ := r.makeKey("operator", auth.KeyAdmin)
	admin := r.withKey(adminText)
	text, key := r.makeKey("shop", auth.KeyTokens)
	shop := r.withKey(text)
	shop("POST", "/token/", "")
	shop("POST", "/v2/tokens", "{}")
	admin("POST", "/token/", "")
	list, _ := r.authority.Tokens("", "", 10)
	owners := map[string]int{}
	for _, token := range list {
		owners[token.Key]++
	}
	if len(list) != 3 || owners[key.ID] != 2 {
		t.Fatalf("tokens by key: %v", owners)
	}
	classic := r.authority.All()
	one, two := r.subscribeWith(t, classic[0], "news"), r.subscribeWith(t, classic[1], "news")
	if diff := cmp.Diff(told(200, `{"sessions":1,"tokens":2,"changed":0,"keys":[]}`), admin("DELETE", "/v2/keys/"+key.ID, "")); diff != "" {
		t.Errorf("deleting the key (-want +got):\n%s", diff)
	}
	if one.Grant() != nil || two.Grant() == nil {
		t.Errorf("sessions after it: of the key %v, of another %v", one.Grant(), two.Grant())
	}
	if got := shop("POST", "/token/", ""); !strings.HasPrefix(got, "401\n") {
		t.Errorf("the key still works: %s", got)
	}
}

// TestKeysMayNotRevokeOtherKeys: a key that may create tokens may revoke tokens, even by the name
// of a key that signs JWTs. It may not revoke API keys, except itself.
func TestKeysMayNotRevokeOtherKeys(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	adminText, admin := r.makeKey("operator", auth.KeyAdmin)
	oldText, old := r.makeKey("old", auth.KeyTokens)
	text, key := r.makeKey("shop", auth.KeyTokens)
	operator, shop := r.withKey(adminText), r.withKey(text)
	r.withKey(oldText)("POST", "/v2/tokens", "{}")
	denied := strings.TrimSuffix(failure(403, "not_permitted", `The key \"shop\" allows tokens, but not admin.`, ""), "\n")
	revoked := told(201, `{"sessions":0}`)
	gone := func(tokens string) string {
		return told(201, `{"sessions":0,"tokens":`+tokens+`,"changed":0,"keys":[]}`)
	}
	for _, s := range []struct {
		who func(method, path, body string) string
		sample
	}{
		{shop, sample{"POST", "/v2/revocations", `{"key":"` + admin.ID + `"}`, denied}},
		{shop, sample{"POST", "/v2/revocations", `{"key":"` + old.ID + `"}`, denied}},
		{operator, sample{"POST", "/v2/revocations", `{"key":"` + old.ID + `"}`, gone("1")}},
		{shop, sample{"DELETE", "/v2/revocations?key=" + old.ID, "", denied}},
		{shop, sample{"POST", "/v2/revocations", `{"key":"kid-1"}`, revoked}},
		{shop, sample{"DELETE", "/v2/revocations?key=kid-1", "", "204\n"}},
		{shop, sample{"POST", "/v2/revocations", `{"key":"` + key.ID + `"}`, gone("0")}},
	} {
		if diff := cmp.Diff(s.want, s.who(s.method, s.path, s.body)); diff != "" {
			t.Errorf("%s %s %s (-want +got):\n%s", s.method, s.path, s.body, diff)
		}
	}
	if got := operator("GET", "/v2/keys", ""); !strings.HasPrefix(got, "200\n") {
		t.Errorf("the operator is locked out: %s", got)
	}
}

// TestRevokedKeyListsItsTokensAndKeys: the response to a key's revocation contains the number of
// revoked tokens, and the keys that the key created.
func TestRevokedKeyListsItsTokensAndKeys(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	rootText, _ := r.makeKey("root", auth.KeyAdmin)
	badText, bad := r.makeKey("bad", auth.KeyAdmin)
	root, evil := r.withKey(rootText), r.withKey(badText)
	text, token := r.makeToken(auth.Token{User: "ann"})
	evil("POST", "/v2/tokens", `{}`)
	evil("POST", "/v2/keys", `{"name":"child","verbs":["admin"]}`)
	evil("PATCH", "/v2/tokens/"+token.ID, `{"rules":[{"channels":["**"],"allow":["join"]}]}`)
	s := r.subscribeWith(t, text)
	child := r.authority.Keys()[2].ID
	want := told(200, `{"sessions":1,"tokens":1,"changed":1,"keys":["key_ID"]}`)
	if diff := cmp.Diff(want, root("DELETE", "/v2/keys/"+bad.ID, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if left := r.authority.Keys(); len(left) != 2 || left[1].ID != child {
		t.Errorf("keys: %v", left)
	}
	if s.Grant() != nil {
		t.Error("the session of the token that it changed still exists")
	}
}
