package auth

import (
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

func TestMint(t *testing.T) {
	a := open(t, Options{})
	before := time.Now()
	token := mint(t, a)
	match := regexp.MustCompile(`^[A-Za-z0-9]{128}-([0-9]+)$`).FindStringSubmatch(token)
	if match == nil {
		t.Fatalf("token %q", token)
	}
	if at, _ := strconv.ParseInt(match[1], 10, 64); at < before.Unix() || at > time.Now().Unix() {
		t.Errorf("created at %d, not between %d and %d", at, before.Unix(), time.Now().Unix())
	}
	if other := mint(t, a); other == token {
		t.Error("Mint returned the same token twice")
	}
	g := grant(t, a, token)
	if g.Issued.Before(before.Round(0)) || g.Issued.After(time.Now()) {
		t.Errorf("issued at %v", g.Issued)
	}
	name := nameOf(token)
	want := &access.Grant{Identity: token, TokenID: "tok_" + name, Kind: "classic", User: a.state.names.of("tok_" + name), Issued: g.Issued, Serial: 1}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Errorf("grant (-want +got):\n%s", diff)
	}
}

// TestClassicTokens checks the behavior of the server of 2013, with and without the text of tokens.
func TestClassicTokens(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			a := open(t, Options{KeepText: keep})
			for _, token := range []string{"zebra", "ant", "zebra", "müsli"} {
				if err := a.Add(token); err != nil {
					t.Fatal(err)
				}
			}
			minted := mint(t, a)
			want := []string{}
			if keep {
				want = []string{"zebra", "ant", "müsli", minted}
			}
			if diff := cmp.Diff(want, a.All()); diff != "" {
				t.Errorf("in the order of creation (-want +got):\n%s", diff)
			}
			if a.Len() != 4 {
				t.Errorf("Len = %d", a.Len())
			}
			for token, want := range map[string]string{"Zebra": "invalid_token", "": "invalid_token", "zebra": "valid", minted: "valid"} {
				if got := verdict(a, token); got != want {
					t.Errorf("%q: %s, want %s", token, got, want)
				}
			}
			if got := grant(t, a, "zebra"); got.Identity != "zebra" {
				t.Errorf("%+v", got)
			}
			revoke(t, a, Revocation{Token: minted})
			if got := verdict(a, minted); got != "invalid_token" || a.Len() != 3 {
				t.Errorf("deleted: %s, and there are %d", got, a.Len())
			}
			if _, err := a.Revoke(Revocation{Token: minted}); code(err) != "no_token" {
				t.Errorf("deleted twice: %v", err)
			}
		})
	}
}

// TestProvidedTokenStaysRevoked revokes a token that the provider returns again at the next start.
func TestProvidedTokenStaysRevoked(t *testing.T) {
	log, logged := testlog.New()
	a := open(t, Options{DataDir: t.TempDir(), KeepText: true, Log: log})
	for _, token := range []string{"ant", "bee"} {
		if err := a.Add(token); err != nil {
			t.Fatal(err)
		}
	}
	g := grant(t, a, "ant")
	match := revoke(t, a, Revocation{Token: "ant"})
	if !match(g) || match(grant(t, a, "bee")) {
		t.Error("the revocation matches the wrong sessions")
	}
	if code(a.Valid(g)) != "token_revoked" {
		t.Error("the grant is still valid")
	}
	if err := journalIn(a).rewrite(); err != nil {
		t.Fatal(err)
	}
	b := reopen(t, a)
	if b.Len() != 0 {
		t.Errorf("%d of the provider's tokens were stored", b.Len())
	}
	for _, token := range []string{"ant", "bee"} {
		if err := b.Add(token); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"bee"}, b.All()); diff != "" {
		t.Errorf("added again (-want +got):\n%s", diff)
	}
	if got := verdict(b, "ant"); got != "token_revoked" {
		t.Errorf("ant: %s", got)
	}
	want := "level=INFO msg=\"a token of the provider is not valid, because it was revoked\" token_id=" + classicID("ant") + "\n"
	if diff := cmp.Diff(want, logged.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if ok, err := b.Unrevoke(Revocation{Token: "ant"}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := b.Add("ant"); err != nil || verdict(b, "ant") != "valid" {
		t.Errorf("after the revocation was canceled: %v, %s", err, verdict(b, "ant"))
	}
}

func TestTokensAtOnce(t *testing.T) {
	a := open(t, Options{KeepText: true})
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 50 {
				token := fmt.Sprintf("%d-%d", i, j)
				if a.Add(token) != nil || verdict(a, token) != "valid" {
					t.Errorf("token %s", token)
				}
				if j%2 == 0 {
					if _, err := a.Revoke(Revocation{Token: token}); err != nil || verdict(a, token) != "token_revoked" {
						t.Errorf("token %s: %v", token, err)
					}
				}
				a.All()
				a.Tokens("", "", 10)
			}
		})
	}
	wait.Wait()
	if a.Len() != 8*25 {
		t.Errorf("%d tokens left", a.Len())
	}
}

func TestAddRefuses(t *testing.T) {
	for token, want := range map[string]string{
		"":                        "the token is empty",
		"a b":                     "the token has a blank, U+0020, at byte 1",
		"a\u00a0":                 "the token has a blank, U+00A0, at byte 1",
		"a\x00":                   "the token has a control character, U+0000, at byte 1",
		"\x7f":                    "the token has a control character, U+007F, at byte 0",
		"\xff":                    "the token is not valid UTF-8",
		strings.Repeat("x", 4097): "the token has 4097 bytes, more than 4096",
	} {
		a := open(t, Options{})
		if err := a.Add(token); err == nil || err.Error() != want {
			t.Errorf("Add(%.10q) = %v, want %s", token, err, want)
		}
		if a.Len() != 0 {
			t.Errorf("%.10q was added", token)
		}
	}
}

// TestPartsOfRequests: a grant does not keep the memory of the request with its token.
func TestPartsOfRequests(t *testing.T) {
	a := open(t, Options{})
	token := mint(t, a)
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := live()
	var grants []*access.Grant
	for range 100 {
		request := strings.Repeat("x", 1<<20) + token
		grants = append(grants, grant(t, a, request[1<<20:]))
	}
	if grown := live() - before; grown > 10<<20 {
		t.Errorf("%d grants take %d bytes", len(grants), grown)
	}
	runtime.KeepAlive(grants)
}
