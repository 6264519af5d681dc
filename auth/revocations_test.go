package auth

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
)

// TestRevoke checks which grants a revocation matches: at once, after a restart, and after it was
// canceled.
func TestRevoke(t *testing.T) {
	const jwt = "jwt_0123456789abcdef"
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	grants := map[string]*access.Grant{
		"u1, before":      {TokenID: jwt, Kind: "jwt", User: "u1", HasUser: true, Issued: now.Add(-1)},
		"u1, then":        {TokenID: "jwt_1", Kind: "jwt", User: "u1", HasUser: true, Issued: now, Key: "kid1"},
		"u1, after":       {TokenID: "jwt_2", Kind: "jwt", User: "u1", HasUser: true, Issued: now.Add(1)},
		"u1, some time":   {TokenID: "jwt_3", Kind: "backend", User: "u1", HasUser: true},
		"u1 by chance":    {TokenID: "jwt_4", Kind: "jwt", User: "u1", Issued: now},
		"u2, then":        {TokenID: "jwt_5", Kind: "jwt", User: "u2", HasUser: true, Issued: now, Key: "kid2"},
		"u2, after":       {TokenID: "jwt_6", Kind: "jwt", User: "u2", HasUser: true, Issued: now.Add(time.Hour), Key: "kid1"},
		"nobody":          {Kind: "none", User: "u1"},
		"kid is a user":   {TokenID: "jwt_7", Kind: "jwt", User: "kid1", HasUser: true, Issued: now.Add(1)},
		"user is a kid":   {TokenID: "jwt_8", Kind: "jwt", User: "u3", HasUser: true, Key: "u1", Issued: now.Add(1)},
		"user is a token": {TokenID: "jwt_9", Kind: "jwt", User: jwt, HasUser: true, Issued: now.Add(1)},
	}
	for _, test := range []struct {
		revocation Revocation
		hit        []string
	}{
		{Revocation{Token: jwt}, []string{"u1, before"}},
		{Revocation{User: "u1", IssuedBefore: now}, []string{"u1, before", "u1, then", "u1, some time"}},
		{Revocation{User: "u1"}, []string{"u1, before", "u1, then", "u1, after", "u1, some time"}},
		{Revocation{Key: "kid1"}, []string{"u1, then", "u2, after"}},
		{Revocation{IssuedBefore: now}, []string{"u1, before", "u1, then", "u1, some time", "u1 by chance", "u2, then"}},
	} {
		t.Run(fmt.Sprintf("%+v", test.revocation), func(t *testing.T) {
			a := open(t, Options{DataDir: t.TempDir()})
			match := revoke(t, a, test.revocation)
			check := func(when string, hit []string, a *Authority) {
				t.Helper()
				want := make(map[string]bool)
				for name := range grants {
					want[name] = false
				}
				for _, name := range hit {
					want[name] = true
				}
				got, matched := make(map[string]bool), make(map[string]bool)
				for name, g := range grants {
					got[name], matched[name] = code(a.Valid(g)) == "token_revoked", match(g)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, who is not valid (-want +got):\n%s", when, diff)
				}
				if diff := cmp.Diff(want, matched); diff != "" && hit != nil {
					t.Errorf("%s, who is cut (-want +got):\n%s", when, diff)
				}
			}
			check("at once", test.hit, a)
			b := reopen(t, a)
			check("after a restart", test.hit, b)
			if b.Revocations() != 1 {
				t.Errorf("%d revocations", b.Revocations())
			}
			got, ok := b.Revoked(test.revocation)
			want := test.revocation
			if want.User != "" && want.IssuedBefore.IsZero() {
				want.IssuedBefore = got.IssuedBefore // the time of the revocation
			}
			if diff := cmp.Diff(want, got); diff != "" || !ok {
				t.Errorf("%v (-want +got):\n%s", ok, diff)
			}
			if ok, err := b.Unrevoke(test.revocation); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if ok, err := b.Unrevoke(test.revocation); ok || err != nil {
				t.Error("the revocation was canceled twice", ok, err)
			}
			if _, ok := b.Revoked(test.revocation); ok || b.Revocations() != 0 {
				t.Error("the revocation still exists")
			}
			check("taken back", nil, b)
			check("taken back, after a restart", nil, reopen(t, b))
		})
	}
}

// TestRevokeOpaque deletes a token, by text or by ID.
func TestRevokeOpaque(t *testing.T) {
	a := open(t, Options{DataDir: t.TempDir()})
	for _, by := range []string{"text", "ID"} {
		text, made := create(t, a, Token{User: "u1"})
		g := grant(t, a, text)
		r := Revocation{Token: text}
		if by == "ID" {
			r.Token = made.ID
		}
		if match := revoke(t, a, r); !match(g) {
			t.Errorf("by %s: the revocation does not match its sessions", by)
		}
		if got := verdict(a, text); got != "invalid_token" || code(a.Valid(g)) != "token_revoked" {
			t.Errorf("by %s: %s, %v", by, got, a.Valid(g))
		}
		if _, err := a.Token(made.ID); failure(err) != "no_token: There is no token with this ID." {
			t.Errorf("by %s: %v", by, err)
		}
		if _, err := a.Revoke(r); code(err) != "no_token" {
			t.Errorf("by %s, twice: %v", by, err)
		}
	}
	if b := reopen(t, a); b.Len() != 0 || b.Revocations() != 0 {
		t.Errorf("%d tokens, %d revocations", b.Len(), b.Revocations())
	}
}

// TestRevokeUserOfOpaque: tokens that are created after the revocation are valid, also in the same
// second. The revoked tokens are not listed.
func TestRevokeUserOfOpaque(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, Options{})
		before, made := create(t, a, Token{User: "u1"})
		revoke(t, a, Revocation{User: "u1"})
		time.Sleep(time.Nanosecond)
		after, next := create(t, a, Token{User: "u1"})
		if got := verdict(a, before) + ", " + verdict(a, after); got != "token_revoked, valid" {
			t.Error(got)
		}
		list, _ := a.Tokens("u1", "", 10)
		if diff := cmp.Diff([]Token{next}, list); diff != "" {
			t.Errorf("tokens (-want +got):\n%s", diff)
		}
		if _, err := a.Token(made.ID); failure(err) != "no_token: The token "+made.ID+" is revoked." {
			t.Error(err)
		}
	})
}

// TestRevokeKeyOfTokens: the revocation of a key also revokes the tokens that it created. The tokens
// can become valid again, the key cannot.
func TestRevokeKeyOfTokens(t *testing.T) {
	a := open(t, Options{DataDir: t.TempDir()})
	keyText, key := createKey(t, a, Key{Name: "shop", Verbs: KeyTokens})
	text, _ := create(t, a, Token{Key: key.ID})
	other, _ := create(t, a, Token{})
	g := grant(t, a, text)
	if match := revoke(t, a, Revocation{Key: key.ID}); !match(g) || match(grant(t, a, other)) {
		t.Error("the revocation matches the wrong sessions")
	}
	check := func(want string) {
		t.Helper()
		_, err := a.CheckKey(keyText)
		if got := code(err) + ", " + verdict(a, text) + ", " + verdict(a, other); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	check("invalid_key, token_revoked, valid")
	a = reopen(t, a)
	check("invalid_key, token_revoked, valid")
	if ok, err := a.Unrevoke(Revocation{Key: key.ID}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	check("invalid_key, valid, valid")
	a = reopen(t, a)
	check("invalid_key, valid, valid")
}

// TestRevokeKidLikeAToken: a kid that looks like a token's ID does not revoke that token.
func TestRevokeKidLikeAToken(t *testing.T) {
	a := open(t, Options{DataDir: t.TempDir()})
	text, made := create(t, a, Token{})
	revoke(t, a, Revocation{Key: made.ID})
	for range 2 {
		if got := verdict(a, text); got != "valid" {
			t.Errorf("the token is %s", got)
		}
		a = reopen(t, a)
	}
}

func TestRevokeRefuses(t *testing.T) {
	a := open(t, Options{MaxRevocations: 1})
	some, past := time.Now().Add(time.Hour), time.Unix(1_000_000_000, 0)
	for _, test := range []struct {
		revocation Revocation
		want       string
	}{
		{Revocation{}, "malformed: A revocation has exactly one of token, user and key, or only issued_before."},
		{Revocation{User: "u", Key: "k"}, "malformed: A revocation has exactly one of token, user and key, or only issued_before."},
		{Revocation{Key: "k", IssuedBefore: some}, "malformed: A revocation has issued_before alone, or with user. A token or key is always revoked completely."},
		{Revocation{IssuedBefore: past.AddDate(300, 0, 0)}, "malformed: The time in issued_before is not between the years 1970 and 2261."},
		{Revocation{IssuedBefore: time.Date(1970, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600))}, "malformed: The time in issued_before is not between the years 1970 and 2261."},
		{Revocation{User: "u", Until: past}, "malformed: The time in until, 2001-09-09T01:46:40Z, is in the past. To end a token or key at once, delete or revoke it."},
		{Revocation{User: "a\nb"}, "malformed: The user's name has a control character, U+000A, at byte 1."},
		{Revocation{Key: strings.Repeat("k", 256)}, "malformed: The key's name has 256 bytes, more than 255."},
		{Revocation{Key: "key_0123456789abcdef"}, "no_key: There is no key with this ID."},
		{Revocation{Token: "zebra"}, "no_token: There is no token with this ID."},
		{Revocation{Token: "tok_0123456789abcdef"}, "no_token: There is no token with this ID."},
		{Revocation{User: "u"}, "none"},
		{Revocation{User: "u"}, "none"},
		{Revocation{User: "u2"}, "too_many_stored: The server has reached its limit of 1 revocations."},
	} {
		if _, err := a.Revoke(test.revocation); failure(err) != test.want {
			t.Errorf("%+v:\n got %s\nwant %s", test.revocation, failure(err), test.want)
		}
	}
}

// TestRevocationsAreForgotten: revocations are removed at their time, and then make room for others.
func TestRevocationsAreForgotten(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := open(t, Options{DataDir: dir, MaxRevocations: 2})
		issued := time.Now()
		g := &access.Grant{Kind: "jwt", TokenID: "jwt_1", User: "u1", HasUser: true, Issued: issued.Add(time.Second)}
		all := &access.Grant{Kind: "jwt", TokenID: "jwt_2", User: "u2", HasUser: true, Issued: issued}
		revoke(t, a, Revocation{User: "u1", IssuedBefore: issued.Add(time.Minute), Until: issued.Add(time.Hour)})
		revoke(t, a, Revocation{IssuedBefore: issued, Until: issued.Add(2 * time.Hour)})
		// A repeated revocation never revokes less than before.
		revoke(t, a, Revocation{IssuedBefore: issued.Add(-1), Until: issued.Add(time.Hour)})

		check := func(want string) {
			t.Helper()
			if got := code(a.Valid(g)) + ", " + code(a.Valid(all)); got != want {
				t.Errorf("after %v: got %s, want %s", time.Since(issued), got, want)
			}
		}
		check("token_revoked, token_revoked")
		time.Sleep(time.Hour)
		if _, known := a.Revoked(Revocation{User: "u1"}); known {
			t.Error("the revocation of the user still exists")
		}
		check("valid, token_revoked")
		a = reopen(t, a)
		revoke(t, a, Revocation{User: "u3"}) // there is room
		if a.Revocations() != 2 {
			t.Errorf("%d revocations", a.Revocations())
		}
		time.Sleep(time.Hour)
		check("valid, valid")
	})
}

func TestMarksAllocateNothing(t *testing.T) {
	a := open(t, Options{})
	text, _ := create(t, a, Token{User: strings.Repeat("u", access.MaxUser), Key: "key_0123456789abcdef"})
	g := grant(t, a, text)
	for _, r := range []Revocation{{User: "other"}, {Key: "other"}, {Token: "jwt_0123456789abcdef"}, {IssuedBefore: g.Issued.Add(-1)}} {
		revoke(t, a, r)
	}
	for name, run := range map[string]func(){
		"Valid": func() { a.Valid(g) },
		"Check": func() { a.Check(access.Credentials{Token: text}) },
	} {
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
