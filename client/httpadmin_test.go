package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestNamesThatAreNotUTF8: the client refuses such names everywhere and sends nothing, because JSON
// would turn them into other names.
func TestNamesThatAreNotUTF8(t *testing.T) {
	const bad = "ann \xff"
	label := bad
	for name, call := range map[string]func(context.Context, *Client) error{
		"user": func(ctx context.Context, c *Client) error {
			_, err := c.CreateToken(ctx, NewTokenRequest{User: bad})
			return err
		},
		"rules": func(ctx context.Context, c *Client) error {
			_, err := c.CreateToken(ctx, NewTokenRequest{Rules: []Rule{{Channels: []string{"a", bad}}}})
			return err
		},
		"label": func(ctx context.Context, c *Client) error {
			_, err := c.UpdateToken(ctx, "tok_1", TokenChange{Label: &label})
			return err
		},
		"changed rules": func(ctx context.Context, c *Client) error {
			_, err := c.UpdateToken(ctx, "tok_1", TokenChange{Rules: &[]Rule{{Deny: []string{bad}}}})
			return err
		},
		"key": func(ctx context.Context, c *Client) error {
			_, err := c.CreateKey(ctx, NewKeyRequest{Name: "n", Verbs: []string{"publish"}, Channels: []string{bad}})
			return err
		},
		"revocation": func(ctx context.Context, c *Client) error {
			_, err := c.Revoke(ctx, Revocation{User: bad})
			return err
		},
	} {
		// No server listens at this address, so a request would fail.
		c, err := New(Options{API: "http://127.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context(), c); err == nil || !strings.HasSuffix(err.Error(), `"ann \xff" is not valid UTF-8`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCallsOfAdministration(t *testing.T) {
	type call = func(context.Context, *Client) (any, error)
	end := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	label := "l"
	const info = `{"id":"tok_1","user":"u","label":"l","created":"2026-01-02T03:04:05Z","expires":"2027-01-02T03:04:05Z",` +
		`"rules":[{"channels":["a.*","b"],"allow":["join"],"deny":["publish"]}],"key":"key_1"}`
	changed := strings.TrimSuffix(info, "}") + `,"sessions":2,"nodes":{"answered":2,"silent":["n3"]}}`
	const key = `{"id":"key_1","name":"n","verbs":["publish"],"channels":["a"],"created":"2026-01-02T03:04:05Z","last_used":"2026-01-02T03:04:05Z"}`
	for name, c := range map[string]struct {
		call   call
		answer http.HandlerFunc
		want   called
	}{
		"create a token": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.CreateToken(ctx, NewTokenRequest{User: "u", Label: "l", Expires: end, Rules: []Rule{{Channels: []string{"a"}, Allow: []string{"join"}}}})
			},
			says(`{"token":"bt_1","id":"tok_1"}`),
			called{Value: `{"token":"bt_1","id":"tok_1"}`, Requests: []string{
				`POST /base/v2/tokens application/json {"user":"u","label":"l","expires":"2027-01-02T03:04:05Z","rules":[{"channels":["a"],"allow":["join"]}]}`,
			}},
		},
		"create a token that may do everything": {
			func(ctx context.Context, c *Client) (any, error) { return c.CreateToken(ctx, NewTokenRequest{}) },
			says(`{}`),
			called{Error: "make a token: the answer has none; is this the URL of a Boreas API?", Requests: []string{`POST /base/v2/tokens application/json {}`}},
		},
		"create a token for a while": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.CreateToken(ctx, NewTokenRequest{User: "u", TTL: 1500 * time.Millisecond})
			},
			says(`{"token":"bt_1","id":"tok_1"}`),
			called{Value: `{"token":"bt_1","id":"tok_1"}`, Requests: []string{`POST /base/v2/tokens application/json {"user":"u","ttl":2}`}},
		},
		"create a token for less than nothing": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.CreateToken(ctx, NewTokenRequest{User: "u", TTL: -time.Millisecond})
			},
			refuses(400, `{"error":{"code":"malformed","message":"No.","retry":"never"}}`),
			called{
				Error:    "make a token: the server answered 400 Bad Request: No. (malformed)",
				Requests: []string{`POST /base/v2/tokens application/json {"user":"u","ttl":-1}`},
			},
		},
		"create a token that may do nothing": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.CreateToken(ctx, NewTokenRequest{Rules: []Rule{}})
			},
			refuses(403, `{"error":{"code":"not_permitted","message":"No.","retry":"never"}}`),
			called{
				Error:    "make a token: the server answered 403 Forbidden: No. (not_permitted)",
				Requests: []string{`POST /base/v2/tokens application/json {"rules":[]}`},
			},
		},
		"a token": {
			func(ctx context.Context, c *Client) (any, error) { return c.Token(ctx, "tok/1") },
			says(info),
			called{Value: info, Requests: []string{"GET /base/v2/tokens/tok%2F1"}},
		},
		"change everything of a token": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.UpdateToken(ctx, "tok_1", TokenChange{Label: &label, Expires: &end, Rules: &[]Rule{}})
			},
			says(changed),
			called{Value: changed, Requests: []string{`PATCH /base/v2/tokens/tok_1 application/json {"expires":"2027-01-02T03:04:05Z","label":"l","rules":[]}`}},
		},
		"take the bounds off a token": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.UpdateToken(ctx, "tok_1", TokenChange{Expires: &time.Time{}, Rules: new([]Rule)})
			},
			says(changed),
			called{Value: changed, Requests: []string{`PATCH /base/v2/tokens/tok_1 application/json {"expires":null,"rules":null}`}},
		},
		"change nothing of a token": {
			func(ctx context.Context, c *Client) (any, error) { return c.UpdateToken(ctx, "tok_1", TokenChange{}) },
			says(changed),
			called{Value: changed, Requests: []string{`PATCH /base/v2/tokens/tok_1 application/json {}`}},
		},
		"delete a token": {
			func(ctx context.Context, c *Client) (any, error) { return c.DeleteTokenID(ctx, "tok_1") },
			says(`{"sessions":2,"nodes":{"answered":2,"silent":["n3"]}}`),
			called{Value: `{"sessions":2,"nodes":{"answered":2,"silent":["n3"]}}`, Requests: []string{"DELETE /base/v2/tokens/tok_1"}},
		},
		"delete no token": {
			func(ctx context.Context, c *Client) (any, error) { return c.DeleteTokenID(ctx, "") },
			says(""),
			called{Error: "the token's ID is empty"},
		},
		"inspect a token": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.InspectToken(ctx, "T", Ask{Verb: "join", Channel: "a"})
			},
			says(`{"valid":true,"kind":"opaque","id":"tok_1","rules":[],"can":[{"verb":"join","channel":"a","allowed":false,"by":"no rule allows join on this channel"}]}`),
			called{
				Value:    `{"valid":true,"kind":"opaque","id":"tok_1","rules":[],"can":[{"verb":"join","channel":"a","allowed":false,"by":"no rule allows join on this channel"}]}`,
				Requests: []string{`POST /base/v2/tokens/inspect application/json {"token":"T","can":[{"verb":"join","channel":"a"}]}`},
			},
		},
		"inspect nothing": {
			func(ctx context.Context, c *Client) (any, error) { return c.InspectToken(ctx, "") },
			says(""),
			called{Error: "inspect a token: the token is empty"},
		},
		"create a key": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.CreateKey(ctx, NewKeyRequest{Name: "n", Verbs: []string{"publish"}, Channels: []string{"a"}, Expires: end})
			},
			says(`{"key":"bk_1","id":"key_1","name":"n","verbs":["publish"]}`),
			called{
				Value:    `{"key":"bk_1","id":"key_1","name":"n","verbs":["publish"]}`,
				Requests: []string{`POST /base/v2/keys application/json {"name":"n","verbs":["publish"],"channels":["a"],"expires":"2027-01-02T03:04:05Z"}`},
			},
		},
		"create a key for a while": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.CreateKey(ctx, NewKeyRequest{Name: "n", Verbs: []string{"admin"}, TTL: time.Minute})
			},
			says(`{"key":"bk_1","id":"key_1","name":"n","verbs":["admin"]}`),
			called{
				Value:    `{"key":"bk_1","id":"key_1","name":"n","verbs":["admin"]}`,
				Requests: []string{`POST /base/v2/keys application/json {"name":"n","verbs":["admin"],"ttl":60}`},
			},
		},
		"create a key, no text": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.CreateKey(ctx, NewKeyRequest{Name: "n", Verbs: []string{}})
			},
			says(`{}`),
			called{Error: `make key "n": the answer has none; is this the URL of a Boreas API?`, Requests: []string{`POST /base/v2/keys application/json {"name":"n","verbs":[]}`}},
		},
		"keys": {
			func(ctx context.Context, c *Client) (any, error) { return c.Keys(ctx) },
			says(`{"keys":[` + key + `]}`),
			called{Value: "[" + key + "]", Requests: []string{"GET /base/v2/keys"}},
		},
		"delete a key": {
			func(ctx context.Context, c *Client) (any, error) { return c.DeleteKey(ctx, "key_1") },
			says(`{"sessions":1,"tokens":2,"changed":3,"keys":["key_2"]}`),
			called{Value: `{"sessions":1,"tokens":2,"changed":3,"keys":["key_2"]}`, Requests: []string{"DELETE /base/v2/keys/key_1"}},
		},
		"delete no key": {
			func(ctx context.Context, c *Client) (any, error) { return c.DeleteKey(ctx, "") },
			says(""),
			called{Error: "the key's ID is empty"},
		},
		"revoke": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.Revoke(ctx, Revocation{User: "u", IssuedBefore: end, Grace: 1500 * time.Millisecond, Until: end})
			},
			says(`{"sessions":3}`),
			called{Value: `{"sessions":3}`, Requests: []string{
				`POST /base/v2/revocations application/json {"user":"u","issued_before":"2027-01-02T03:04:05Z","grace":2,"until":"2027-01-02T03:04:05Z"}`,
			}},
		},
		"revoke in a cluster": {
			func(ctx context.Context, c *Client) (any, error) { return c.Revoke(ctx, Revocation{User: "u"}) },
			says(`{"sessions":3,"nodes":{"answered":2,"silent":["n3"]}}`),
			called{
				Value:    `{"sessions":3,"nodes":{"answered":2,"silent":["n3"]}}`,
				Requests: []string{`POST /base/v2/revocations application/json {"user":"u"}`},
			},
		},
		"refusals": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.Refusals(ctx, RefusalFilter{Session: "s_1", Token: "tok_1", User: "u&", Address: "::1", Limit: 5})
			},
			says(`{"refusals":[{"time":"2026-01-02T03:04:05Z","count":2,"code":"c","message":"m"}]}`),
			called{
				Value:    `[{"time":"2026-01-02T03:04:05Z","count":2,"code":"c","message":"m"}]`,
				Requests: []string{"GET /base/v2/refusals?address=%3A%3A1&limit=5&session=s_1&token=tok_1&user=u%26"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cl, requests := api(t, c.answer)
			if diff := cmp.Diff(c.want, result(t, c.call, cl, requests)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTokensAreReadPageByPage(t *testing.T) {
	answers := []string{`{"tokens":[{"id":"tok_1"}],"next":"tok_1"}`, `{"tokens":[{"id":"tok_2"}]}`}
	c, requests := api(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, answers[0]) //nolint:errcheck // a test's answer
		answers = answers[1:]
	})
	list := func(ctx context.Context, c *Client) (any, error) {
		var ids []string
		for info, err := range c.Tokens(ctx, "u") {
			if err != nil {
				return nil, err
			}
			ids = append(ids, info.ID)
		}
		return ids, nil
	}
	want := called{Value: `["tok_1","tok_2"]`, Requests: []string{"GET /base/v2/tokens?limit=1000&user=u", "GET /base/v2/tokens?after=tok_1&limit=1000&user=u"}}
	if diff := cmp.Diff(want, result(t, list, c, requests)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAPIKeyIsShownWithEachRequest(t *testing.T) {
	shown := make(chan string, 2)
	plain, _ := api(t, func(w http.ResponseWriter, r *http.Request) {
		shown <- fmt.Sprint(r.Header.Values("Authorization"))
		io.WriteString(w, `{}`) //nolint:errcheck // a test's answer
	})
	for _, key := range []string{"bk_1", ""} {
		c, err := New(Options{API: plain.base, Key: key, HTTP: plain.http})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Keys(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(<-shown, <-shown); got != "[Bearer bk_1][]" {
		t.Errorf("shown %s", got)
	}
}
