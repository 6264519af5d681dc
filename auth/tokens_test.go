package auth

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
)

// compareRules compares permissions by their text.
var compareRules = cmp.Transformer("rules", func(p *access.Permissions) string { return string(AppendRules(nil, p)) })

func TestCreateToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, Options{})
		now := time.Now().UTC()
		asked := Token{
			ID: "ignored", User: "u1", Label: "a phone", Created: now.Add(-time.Hour), Expires: now.Add(time.Hour),
			Rules: rules(t, `[{"channels":["user.{user}"],"allow":["join"]}]`), Key: "key_1",
		}
		text, made := create(t, a, asked)
		if !regexp.MustCompile(`^bt_[A-Za-z0-9_-]{43}$`).MatchString(text) || !isID("tok_", made.ID) {
			t.Errorf("text %q, ID %q", text, made.ID)
		}
		want := asked
		want.ID, want.Created = made.ID, now
		if diff := cmp.Diff(want, made, compareRules); diff != "" {
			t.Errorf("what was made (-want +got):\n%s", diff)
		}
		got, err := a.Token(made.ID)
		if diff := cmp.Diff(want, got, compareRules); diff != "" || err != nil {
			t.Errorf("what is known of it (-want +got): %v\n%s", err, diff)
		}
		g := grant(t, a, text)
		wantGrant := &access.Grant{
			Identity: made.ID, TokenID: made.ID, Kind: "opaque", User: "u1", HasUser: true, Issued: now, Expires: now.Add(time.Hour),
			Serial: 1, Key: "key_1", Permissions: asked.Rules,
		}
		if diff := cmp.Diff(wantGrant, g, compareRules); diff != "" {
			t.Errorf("grant (-want +got):\n%s", diff)
		}
		if g.May(access.VerbJoin, "user.u1") != nil || g.May(access.VerbJoin, "user.u2") == nil {
			t.Error("{user} is not the user")
		}
		if g != grant(t, a, text) {
			t.Error("two checks of a token returned different grants")
		}
	})
}

func TestCreateTokenWithoutUser(t *testing.T) {
	a := open(t, Options{})
	text, made := create(t, a, Token{})
	g := grant(t, a, text)
	want := &access.Grant{Identity: made.ID, TokenID: made.ID, Kind: "opaque", User: a.state.names.of(made.ID), Issued: made.Created, Serial: 1}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Errorf("grant (-want +got):\n%s", diff)
	}
	if strings.Contains(g.User, made.ID[len("tok_"):]) {
		t.Error("others see the token's ID")
	}
}

func TestCreateTokenRefuses(t *testing.T) {
	a := open(t, Options{MaxTokens: 1})
	past := time.Unix(1_000_000_000, 0)
	for _, test := range []struct {
		token Token
		want  string
	}{
		{Token{User: "a\nb"}, "malformed: The user's name has a control character, U+000A, at byte 1."},
		{Token{User: strings.Repeat("x", 256)}, "malformed: The user's name has 256 bytes, more than 255."},
		{Token{Label: "a\nb"}, "malformed: The label has a control character."},
		{Token{Label: "\xff"}, "malformed: The label is not valid UTF-8."},
		{Token{Label: strings.Repeat("x", 256)}, "malformed: The label has 256 bytes, more than 255."},
		{Token{Expires: past}, "malformed: The time in expires, 2001-09-09T01:46:40Z, is in the past. To end a token or key at once, delete or revoke it."},
		{Token{Expires: past.AddDate(300, 0, 0)}, "malformed: The time in expires is after the year 2261. Omit it for no expiry."},
		{Token{Expires: time.Date(2261, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600))}, "malformed: The time in expires is after the year 2261. Omit it for no expiry."},
		{Token{}, "none"},
		{Token{}, "too_many_stored: The server has reached its limit of 1 tokens."},
	} {
		if _, _, err := a.CreateToken(test.token); failure(err) != test.want {
			t.Errorf("%+.40v:\n got %s\nwant %s", test.token, failure(err), test.want)
		}
	}
	if _, err := a.Mint(""); code(err) != "too_many_stored" {
		t.Errorf("mint: %v", err)
	}
	if err := a.Add("zebra"); code(err) != "too_many_stored" {
		t.Errorf("add: %v", err)
	}
	if a.Len() != 1 {
		t.Errorf("%d tokens", a.Len())
	}
}

// TestTokenExpires: an expired token is reported as expired for some time, and makes room for others.
func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, Options{MaxTokens: 2})
		text, made := create(t, a, Token{Expires: time.Now().Add(time.Minute)})
		time.Sleep(time.Minute - 1)
		grant(t, a, text)
		time.Sleep(time.Nanosecond)
		if got := verdict(a, text); got != "token_expired" {
			t.Errorf("when it expired: %s", got)
		}
		_, err := a.Token(made.ID)
		if want := "no_token: The token " + made.ID + " expired at " + stamp(made.Expires) + "."; failure(err) != want {
			t.Errorf("got %s\nwant %s", failure(err), want)
		}
		if list, more := a.Tokens("", "", 10); len(list) != 0 || more {
			t.Errorf("listed: %v", list)
		}
		if _, _, err := a.UpdateToken(made.ID, TokenChange{Label: new(string)}); code(err) != "no_token" {
			t.Errorf("changed: %v", err)
		}
		create(t, a, Token{})
		if a.Len() != 2 || verdict(a, text) != "token_expired" {
			t.Error("the expired token was forgotten at once")
		}
		create(t, a, Token{Expires: time.Now().Add(time.Hour)}) // needs the place of the expired token
		if got := verdict(a, text); a.Len() != 2 || got != "invalid_token" {
			t.Errorf("there are %d tokens, and the expired one is %s", a.Len(), got)
		}
		time.Sleep(time.Hour + keepEnded)
		revoke(t, a, Revocation{User: "u1"}) // as an example of a change
		if a.Len() != 1 {
			t.Errorf("the expired token was never forgotten: there are %d tokens", a.Len())
		}
	})
}

func TestTokensAreListed(t *testing.T) {
	a := open(t, Options{})
	var all []Token
	for i := range 500 {
		_, made := create(t, a, Token{User: fmt.Sprintf("u%d", i%5)})
		all = append(all, made)
	}
	if err := a.Add("zebra"); err != nil {
		t.Fatal(err)
	}
	all = append(all, Token{ID: classicID("zebra"), User: a.state.names.of(classicID("zebra")), Classic: true})
	slices.SortFunc(all, func(a, b Token) int { return strings.Compare(a.ID, b.ID) })

	for user, want := range map[string][]Token{
		"":       all,
		"u3":     slices.DeleteFunc(slices.Clone(all), func(t Token) bool { return t.User != "u3" }),
		"nobody": nil,
	} {
		for _, limit := range []int{7, 100, 501, 1000} {
			var got []Token
			after := ""
			for more := true; more; {
				var page []Token
				page, more = a.Tokens(user, after, limit)
				if more && len(page) != limit || len(page) > limit || !more && len(got)+len(page) != len(want) {
					t.Fatalf("user %q, limit %d: %d tokens, more: %v", user, limit, len(page), more)
				}
				got = append(got, page...)
				if more {
					after = page[len(page)-1].ID
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("user %q, limit %d (-want +got):\n%s", user, limit, diff)
			}
		}
	}
	for after, want := range map[string]int{"tok_": 501, "t": 501, "u": 0, "tok_~": 0, all[500].ID: 0, all[499].ID: 1, all[499].ID + "x": 1} {
		if list, more := a.Tokens("", after, 1000); len(list) != want || more {
			t.Errorf("after %q: %d tokens, want %d", after, len(list), want)
		}
	}
}

func TestUpdateToken(t *testing.T) {
	dir := t.TempDir()
	a := open(t, Options{DataDir: dir})
	text, made := create(t, a, Token{User: "u1", Label: "one", Rules: rules(t, `[]`)})
	before := grant(t, a, text)

	label := "two"
	changed, g, err := a.UpdateToken(made.ID, TokenChange{Label: &label})
	want := made
	want.Label = "two"
	if diff := cmp.Diff(want, changed, compareRules); diff != "" || err != nil || g != before || a.Valid(before) != nil {
		t.Fatalf("another label: %v, grant changed: %v\n%s", err, g != before, diff)
	}

	want.Rules, want.Expires = rules(t, `[{"channels":["a"],"allow":["join"],"deny":[]}]`), made.Created.Add(time.Hour)
	changed, g, err = a.UpdateToken(made.ID, TokenChange{Rules: &want.Rules, Expires: &want.Expires})
	if diff := cmp.Diff(want, changed, compareRules); diff != "" || err != nil {
		t.Fatalf("other rules: %v\n%s", err, diff)
	}
	wantGrant := *before
	wantGrant.Permissions, wantGrant.Expires = want.Rules, want.Expires
	if diff := cmp.Diff(&wantGrant, g, compareRules); diff != "" || grant(t, a, text) != g {
		t.Errorf("its grant (-want +got):\n%s", diff)
	}
	if err := a.Valid(before); err != boreas.ErrRulesChanged {
		t.Errorf("the grant from before: %v", err)
	}
	b := reopen(t, a)
	after, err := b.Token(made.ID)
	if diff := cmp.Diff(want, after, compareRules); diff != "" || err != nil {
		t.Errorf("after a restart: %v\n%s", err, diff)
	}

	// Back to no rules and no expiry.
	var everything *access.Permissions
	changed, g, err = b.UpdateToken(made.ID, TokenChange{Rules: &everything, Expires: &time.Time{}})
	want.Rules, want.Expires = nil, time.Time{}
	if diff := cmp.Diff(want, changed, compareRules); diff != "" || err != nil || g.Permissions != nil || !g.Expires.IsZero() {
		t.Errorf("everything: %v\n%s", err, diff)
	}
	after, err = reopen(t, b).Token(made.ID)
	if diff := cmp.Diff(want, after, compareRules, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("after a restart: %v\n%s", err, diff)
	}
}

// TestOldExpiriesAreRemoved: old expiries of deleted and changed tokens are removed.
func TestOldExpiriesAreRemoved(t *testing.T) {
	a := open(t, Options{})
	_, made := create(t, a, Token{})
	end := time.Now().Add(time.Hour)
	for range 3 * minCrowd {
		end = end.Add(time.Second)
		if _, _, err := a.UpdateToken(made.ID, TokenChange{Expires: &end}); err != nil {
			t.Fatal(err)
		}
		revoke(t, a, Revocation{User: "u1", Until: end})
	}
	for what, n := range map[string]int{"tokens": len(a.state.ends.list), "revocations": len(a.state.revocations.ends.list)} {
		if n > minCrowd+2 {
			t.Errorf("%d expiries of one of the %s", n, what)
		}
	}
	s := a.state
	s.sweep(end, end)
	if len(s.byHash) != 0 || s.revocations.len() != 0 {
		t.Errorf("%d tokens, %d revocations are left", len(s.byHash), s.revocations.len())
	}
}

// TestChangedTokenKeepsItsPlace: a changed token keeps its place in the file, which is in the order of
// creation.
func TestChangedTokenKeepsItsPlace(t *testing.T) {
	a := open(t, Options{})
	var want []string
	for range 3 {
		_, made := create(t, a, Token{})
		want = append(want, made.ID)
	}
	label := "x"
	if _, _, err := a.UpdateToken(want[1], TokenChange{Label: &label}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range a.state.inOrder(func(*stored) bool { return true }) {
		got = append(got, s.grant.TokenID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestUpdateTokenRefuses(t *testing.T) {
	a := open(t, Options{})
	_, made := create(t, a, Token{})
	if err := a.Add("zebra"); err != nil {
		t.Fatal(err)
	}
	long, past := strings.Repeat("x", 256), time.Unix(1_000_000_000, 0)
	for _, test := range []struct {
		id     string
		change TokenChange
		want   string
	}{
		{"tok_0123456789abcdef", TokenChange{}, "no_token: There is no token with this ID."},
		{"", TokenChange{}, "no_token: There is no token with this ID."},
		{made.ID, TokenChange{Label: &long}, "malformed: The label has 256 bytes, more than 255."},
		{made.ID, TokenChange{Expires: &past}, "malformed: The time in expires, 2001-09-09T01:46:40Z, is in the past. To end a token or key at once, delete or revoke it."},
		{classicID("zebra"), TokenChange{}, "malformed: Classic tokens cannot be changed: they allow everything and never expire. Delete this one, and make a token with rules."},
	} {
		if _, _, err := a.UpdateToken(test.id, test.change); failure(err) != test.want {
			t.Errorf("%q %+v:\n got %s\nwant %s", test.id, test.change, failure(err), test.want)
		}
	}
}

func TestUnknownTokenErrorNamesTheKinds(t *testing.T) {
	for _, test := range []struct {
		options Options
		want    string
	}{
		{Options{}, "invalid_token: The token is not valid, or is no longer valid. The server accepts only its own tokens."},
		{Options{JWT: new(JWT)}, "invalid_token: The token is not valid, or is no longer valid. The server accepts only its own tokens and JSON Web Tokens."},
	} {
		a := open(t, test.options)
		if _, err := a.Check(access.Credentials{Token: "zebra"}); failure(err) != test.want {
			t.Errorf("got %s\nwant %s", failure(err), test.want)
		}
	}
}
