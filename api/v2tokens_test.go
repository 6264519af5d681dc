package api_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
)

// The parts of responses about tokens and keys that differ from run to run.
var (
	secrets = regexp.MustCompile(`b([tk])_[A-Za-z0-9_-]{43}`)
	idents  = regexp.MustCompile(`(tok|key)_[A-Za-z0-9_-]{16}`)
	moments = regexp.MustCompile(`"20[0-9-]{8}T[0-9:]{8}Z"`)
	named   = regexp.MustCompile(`u_[A-Za-z0-9_-]{16}`)
)

func scrub(text string) string {
	text = secrets.ReplaceAllString(text, "b${1}_SECRET")
	text = idents.ReplaceAllString(text, "${1}_ID")
	text = moments.ReplaceAllString(text, `"T"`)
	return strings.TrimSuffix(named.ReplaceAllString(text, "u_NAME"), "\n")
}

// A sample is a request below /v2/ with its scrubbed response.
type sample struct{ method, path, body, want string }

func (r *rig) try(t *testing.T, samples []sample, ids ...string) {
	t.Helper()
	for _, s := range samples {
		path := strings.NewReplacer(ids...).Replace(s.path)
		body := strings.NewReplacer(ids...).Replace(s.body)
		if diff := cmp.Diff(s.want, scrub(r.do(s.method, path, body))); diff != "" {
			t.Errorf("%s %s %s (-want +got):\n%s", s.method, s.path, s.body, diff)
		}
	}
}

func bad(message string) string {
	return strings.TrimSuffix(failure(400, "malformed", message, ""), "\n")
}

func TestMakeTokens(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	made := func(more string) string {
		return told(201, `{"token":"bt_SECRET","id":"tok_ID",`+more+`}`)
	}
	const rules = `[{"channels":["chat.*","user.{user}"],"allow":["join","history"]},{"channels":["chat.9"],"deny":["join"]}]`
	var many []string
	for range 101 {
		many = append(many, `"a"`)
	}
	r.try(t, []sample{
		{"POST", "/v2/tokens", `{}`, made(`"user":"u_NAME","created":"T"`)},
		{"POST", "/v2/tokens", `{"user":"ann","label":"phone <1>","ttl":60,"rules":` + rules + `}`, made(`"user":"ann","label":"phone \u003c1\u003e","created":"T","expires":"T","rules":` + rules)},
		{"POST", "/v2/tokens", `{"user":"ann","expires":"2999-01-01T00:00:00Z","rules":[]}`, bad("The time in expires is after the year 2261. Omit it for no expiry.")},
		{"POST", "/v2/tokens", `{"user":"ann","expires":"2199-01-01T00:00:00+02:00","rules":[]}`, made(`"user":"ann","created":"T","expires":"2198-12-31T22:00:00Z","rules":[]`)},
		{"POST", "/v2/tokens", `{"rules":null,"expires":null}`, made(`"user":"u_NAME","created":"T"`)},

		{"POST", "/v2/tokens", `{"user":"ann","info":{ "name": "Ann" }}`, made(`"user":"ann","created":"T","info":{"name":"Ann"}`)},
		{"POST", "/v2/tokens", `{"user":"ann","info":null}`, made(`"user":"ann","created":"T"`)},
		{"POST", "/v2/tokens", `{"info":"` + strings.Repeat("x", 1023) + `"}`, bad("`info` has more than 1024 bytes.")},

		{"POST", "/v2/tokens", ``, bad("The body must be a JSON object.")},
		{"POST", "/v2/tokens", `[]`, bad("The body must be a JSON object.")},
		{"POST", "/v2/tokens", `{"user":"a"`, bad("The body is not JSON: it ends early.")},
		{"POST", "/v2/tokens", `{"user" "a"}`, bad("The body is not JSON: expected colon after object key.")},
		{"POST", "/v2/tokens", `{} {}`, bad("The body is more than one JSON object.")},
		{"POST", "/v2/tokens", "{\"user\":\"\xff\"}", bad("The body is not valid UTF-8.")},
		{"POST", "/v2/tokens", `{"User":"ann"}`, bad(`Unknown member \"User\": the members are user, label, ttl, expires, rules, info.`)},
		{"POST", "/v2/tokens", `{"rules":[],"rules":null}`, bad("`rules` occurs more than once.")},
		{"POST", "/v2/tokens", `{"user":""}`, bad("`user`: the user's name is empty.")},
		{"POST", "/v2/tokens", `{"user":null}`, bad("`user` must be a string.")},
		{"POST", "/v2/tokens", `{"user":"a\nb"}`, bad("`user`: the user's name has a control character, U+000A, at byte 1.")},
		{"POST", "/v2/tokens", `{"user":"` + strings.Repeat("x", 256) + `"}`, bad("`user` has 256 bytes, more than 255.")},
		{"POST", "/v2/tokens", `{"ttl":0}`, bad("`ttl` must be a whole number of seconds from 1 to 1000000000.")},
		{"POST", "/v2/tokens", `{"ttl":1.5}`, bad("`ttl` must be a whole number of seconds from 1 to 1000000000.")},
		{"POST", "/v2/tokens", `{"ttl":"60"}`, bad("`ttl` must be a whole number of seconds from 1 to 1000000000.")},
		{"POST", "/v2/tokens", `{"ttl":null}`, bad("`ttl` must be a whole number of seconds from 1 to 1000000000.")},
		{"POST", "/v2/tokens", `{"ttl":60,"expires":null}`, bad("Send `ttl` or `expires`, not both.")},
		{"POST", "/v2/tokens", `{"expires":"2013-01-01T00:00:00Z"}`, bad("`expires` is in the past.")},
		{"POST", "/v2/tokens", `{"expires":"tomorrow"}`, bad("`expires` must be a time as in RFC 3339, like 2026-11-25T12:00:00Z.")},
		{"POST", "/v2/tokens", `{"expires":1795600000}`, bad("`expires` must be a string.")},
		{"POST", "/v2/tokens", `{"rules":[{"channels":["a"],"alow":["join"]}]}`, bad("`rules`: rule 1: there is no member \\\"alow\\\": the members are channels, allow, deny.")},
		{"POST", "/v2/tokens", `{"rules":[{"channels":[` + strings.Join(many, ",") + `],"allow":["join"]}]}`, bad("`rules`: rule 1: channels has more than 100 strings.")},
	})
}

func TestListTokens(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	var rows []string
	for _, user := range []string{"ann", "bob", "ann"} {
		_, made := r.makeToken(auth.Token{User: user})
		rows = append(rows, `{"id":"`+made.ID+`","user":"`+user+`","created":"T"}`)
	}
	r.mint()
	got := moments.ReplaceAllString(r.do("GET", "/v2/tokens?user=bob", ""), `"T"`)
	if diff := cmp.Diff(told(200, `{"tokens":[`+rows[1]+"]}\n"), got); diff != "" {
		t.Errorf("the tokens of bob (-want +got):\n%s", diff)
	}
	// The pages contain each token once, sorted by ID.
	var all []string
	for after := ""; len(all) < 10; {
		got := moments.ReplaceAllString(r.do("GET", "/v2/tokens?limit=2&after="+after, ""), `"T"`)
		_, list, _ := strings.Cut(got, `{"tokens":[`)
		list, next, more := strings.Cut(list, `],"next":"`)
		all = append(all, strings.Split(strings.TrimSuffix(list, "]}\n"), "},{")...)
		if !more {
			break
		}
		after = strings.TrimSuffix(next, "\"}\n")
	}
	if len(all) != 4 || !strings.Contains(strings.Join(all, ""), `"classic":true`) {
		t.Errorf("all tokens: %q", all)
	}
}

// Changing a token changes its sessions.
func TestChangeTokens(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	text, made := r.makeToken(auth.Token{User: "ann"})
	s := r.subscribeWith(t, text, "news", "chat.1")
	token := func(more string) string {
		return told(200, `{"id":"tok_ID","user":"ann",`+more+`}`)
	}
	noToken := strings.TrimSuffix(failure(404, "no_token", "There is no token with this ID.", ""), "\n")
	r.try(t, []sample{
		{"PATCH", "/v2/tokens/ID", `{}`, token(`"created":"T","sessions":1`)},
		{"PATCH", "/v2/tokens/ID", `{"label":"phone","ttl":60}`, token(`"label":"phone","created":"T","expires":"T","sessions":1`)},
		{"PATCH", "/v2/tokens/ID", `{"expires":null,"label":""}`, token(`"created":"T","sessions":1`)},
		{"PATCH", "/v2/tokens/ID", `{"rules":[{"channels":["**"],"allow":["join"]}]}`, token(`"created":"T","rules":[{"channels":["**"],"allow":["join"]}],"sessions":1`)},
		{"PATCH", "/v2/tokens/ID", `{"user":"bob"}`, bad(`Unknown member \"user\": the members are label, ttl, expires, rules.`)},
		{"PATCH", "/v2/tokens/ID", `{"rules":{}}`, bad("`rules`: the rules are not a JSON list.")},
		{"PATCH", "/v2/tokens/ID", `{"ttl":-1}`, bad("`ttl` must be a whole number of seconds from 1 to 1000000000.")},
		{"PATCH", "/v2/tokens/ID", `{"label":1}`, bad("`label` must be a string.")},
		{"PATCH", "/v2/tokens/tok_AAAAAAAAAAAAAAAA", `{}`, noToken},
		{"GET", "/v2/tokens/tok_AAAAAAAAAAAAAAAA", ``, noToken},
		{"DELETE", "/v2/tokens/tok_AAAAAAAAAAAAAAAA", ``, noToken},
		{"DELETE", "/v2/tokens/" + text, ``, noToken}, // a token's text should not be in a path
	}, "ID", made.ID)
	if got := s.Grant().May(access.VerbPublish, "news"); got == nil {
		t.Error("the session still has the old rules")
	}
	r.try(t, []sample{
		{"PATCH", "/v2/tokens/ID", `{"rules":[{"channels":["chat.*"],"allow":["join"]}]}`, token(`"created":"T","rules":[{"channels":["chat.*"],"allow":["join"]}],"sessions":1`)},
	}, "ID", made.ID)
	<-s.finished
	if s.reason != boreas.ErrRulesChanged {
		t.Errorf("the session ended with %v, want %v", s.reason, boreas.ErrRulesChanged)
	}
	other := r.subscribeWith(t, text, "chat.1")
	r.try(t, []sample{
		{"GET", "/v2/tokens/ID", ``, token(`"created":"T","rules":[{"channels":["chat.*"],"allow":["join"]}]`)},
		{"DELETE", "/v2/tokens/ID", ``, told(200, `{"sessions":1}`)},
		{"DELETE", "/v2/tokens/ID", ``, noToken},
		{"GET", "/v2/tokens/ID", ``, noToken},
	}, "ID", made.ID)
	if g := other.Grant(); g != nil {
		t.Errorf("the session of a deleted token still has %+v", g)
	}
}

func TestInspectTokens(t *testing.T) {
	var channels *boreas.Rules
	r := newRig(t, boreas.Options{Rules: channels.Add(boreastest.Pattern("chat.*"), boreas.Rule{ClientPublish: true})}, api.Options{})
	rules, err := auth.ParseRules([]byte(`[{"channels":["chat.*","news"],"allow":["join","publish"]},{"channels":["chat.9"],"deny":["join"]}]`))
	if err != nil {
		t.Fatal(err)
	}
	token, _ := r.makeToken(auth.Token{User: "ann", Rules: rules})
	free, _ := r.makeToken(auth.Token{})
	const head = `{"valid":true,"kind":"opaque","id":"tok_ID","user":"ann","issued":"T","rules":[{"channels":["chat.*","news"],"allow":["join","publish"]},{"channels":["chat.9"],"deny":["join"]}]`
	can := func(verb, channel string, allowed, by string) string {
		return `{"verb":"` + verb + `","channel":"` + channel + `","allowed":` + allowed + `,"by":"` + by + `"}`
	}
	r.try(t, []sample{
		{"POST", "/v2/tokens/inspect", `{"token":"TOKEN"}`, told(200, head+"}")},
		{"POST", "/v2/tokens/inspect", `{"token":"TOKEN","can":[{"verb":"join","channel":"chat.1"},{"verb":"join","channel":"chat.9"},{"verb":"history","channel":"chat.1"},` +
			`{"verb":"publish","channel":"chat.1"},{"verb":"publish","channel":"news"},{"verb":"publish","channel":"other"}]}`, told(200, head+`,"can":[`+strings.Join([]string{
			can("join", "chat.1", "true", "rule 1: allow join, publish on chat.*"),
			can("join", "chat.9", "false", "rule 2: deny join on chat.9"),
			can("history", "chat.1", "false", "no rule allows history on this channel"),
			can("publish", "chat.1", "true", "rule 1: allow join, publish on chat.*"),
			can("publish", "news", "false", "the channel's rule does not let clients publish (client_publish)"),
			can("publish", "other", "false", "no rule allows publish on this channel"),
		}, ",")+"]}")},
		{"POST", "/v2/tokens/inspect", `{"token":"FREE","can":[{"verb":"presence","channel":"x"}]}`, told(200, `{"valid":true,"kind":"opaque","id":"tok_ID","user":"u_NAME","issued":"T","can":[`+
			can("presence", "x", "true", "the token has no rules, so it allows everything")+"]}")},
		{"POST", "/v2/tokens/inspect", `{"token":"nonsense","can":[]}`, told(200, `{"valid":false,"error":{"code":"invalid_token","message":"The token is not valid, or is no longer valid. The server accepts only its own tokens.","retry":"new_token","docs":"docs/errors.md#invalid_token"}}`)},
		{"POST", "/v2/tokens/inspect", `{}`, bad("`token` is required.")},
		{"POST", "/v2/tokens/inspect", `{"token":"x","can":{}}`, bad("`can` must be a list of objects.")},
		{"POST", "/v2/tokens/inspect", `{"token":"x","can":[1]}`, bad("Question 1 of `can` must be a JSON object.")},
		{"POST", "/v2/tokens/inspect", `{"token":"x","can":[{"verb":"eat","channel":"x"}]}`, bad("`verb`: there is no verb \\\"eat\\\": the verbs are join, publish, history, presence.")},
		{"POST", "/v2/tokens/inspect", `{"token":"x","can":[{"verb":"join","channel":""}]}`, strings.TrimSuffix(failure(400, "channel_name", "Not a channel name: it is empty.", ""), "\n")},
		{"POST", "/v2/tokens/inspect", `{"token":"x","can":[` + strings.Repeat("{},", 100) + `{}]}`, bad("`can` has 101 questions, more than 100.")},
	}, "TOKEN", token, "FREE", free)
}

// TestTokensWarnOfDots: the channel rule for orders.* does not apply to the channel of a user whose
// name contains a dot. The description of the channel shows its rule.
func TestTokensWarnOfDots(t *testing.T) {
	r := newRig(t, boreas.Options{Rules: new(boreas.Rules).Add(boreastest.Pattern("orders.*"), boreas.Rule{Text: "orders.* presence", Presence: boreas.PresenceFull})}, api.Options{})
	const warning = `"warnings":["The user's name has a dot. The channels' rule \"orders.* presence\" does not apply to \"orders.ann@example.com\", because * matches anything except a dot. Use ** in the rule."]`
	made := r.do("POST", "/v2/tokens", `{"user":"ann@example.com","rules":[{"channels":["orders.{user}"],"allow":["join"]}]}`)
	if !strings.Contains(made, warning) {
		t.Errorf("made: %s", made)
	}
	_, text, _ := strings.Cut(made, `"token":"`)
	text, _, _ = strings.Cut(text, `"`)
	if got := r.do("POST", "/v2/tokens/inspect", `{"token":"`+text+`"}`); !strings.Contains(got, warning) {
		t.Errorf("inspected: %s", got)
	}
	if got := r.do("POST", "/v2/tokens", `{"user":"ann","rules":[{"channels":["orders.{user}"],"allow":["join"]}]}`); strings.Contains(got, "warnings") {
		t.Errorf("without a dot: %s", got)
	}
	for channel, rule := range map[string]string{"orders.ann": `"orders.* presence"`, "orders.ann@example.com": "null"} {
		if got := r.do("GET", "/v2/channels/"+channel, ""); !strings.HasSuffix(got, `,"rule":`+rule+`,"published":0}`+"\n") {
			t.Errorf("%s: %s", channel, got)
		}
	}
}
