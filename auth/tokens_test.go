package auth

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mint(t *testing.T, tokens *Tokens) string {
	t.Helper()
	token, err := tokens.Mint()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestMint(t *testing.T) {
	tokens := NewTokens()
	before := time.Now().Unix()
	token := mint(t, tokens)
	match := regexp.MustCompile(`^[A-Za-z0-9]{128}-([0-9]+)$`).FindStringSubmatch(token)
	if match == nil {
		t.Fatalf("token %q", token)
	}
	if at, _ := strconv.ParseInt(match[1], 10, 64); at < before || at > time.Now().Unix() {
		t.Errorf("made at %d, not between %d and %d", at, before, time.Now().Unix())
	}
	if !tokens.Valid(token) {
		t.Error("a new token is not valid")
	}
	if other := mint(t, tokens); other == token {
		t.Error("the same token twice")
	}
}

// TestMintIsUniform counts the characters of many tokens: with bytes taken modulo 62
// the first eight would come up a quarter more often than the others.
func TestMintIsUniform(t *testing.T) {
	const tokens = 4000
	var counts [256]int
	for range tokens {
		for _, c := range []byte(newToken()[:tokenRandom]) {
			counts[c]++
		}
	}
	mean := float64(tokens*tokenRandom) / float64(len(tokenAlphabet))
	for _, c := range []byte(tokenAlphabet) {
		// Seven standard deviations (of about 90): never by chance.
		if n := float64(counts[c]); n < mean*0.92 || n > mean*1.08 {
			t.Errorf("%c came up %.0f times, expected about %.0f", c, n, mean)
		}
	}
}

func TestTokens(t *testing.T) {
	tokens := NewTokens()
	for _, token := range []string{"zebra", "ant", "zebra", "müsli"} {
		if err := tokens.Add(token); err != nil {
			t.Fatal(err)
		}
	}
	minted := mint(t, tokens)
	if diff := cmp.Diff([]string{"zebra", "ant", "müsli", minted}, tokens.All()); diff != "" {
		t.Error(diff)
	}
	if tokens.Len() != 4 {
		t.Errorf("Len = %d", tokens.Len())
	}
	if tokens.Valid("Zebra") || tokens.Valid("") || !tokens.Valid("zebra") {
		t.Error("Valid")
	}
	if !tokens.Delete("zebra") || tokens.Delete("zebra") || tokens.Valid("zebra") {
		t.Error("Delete")
	}
	if err := tokens.Add("zebra"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ant", "müsli", minted, "zebra"}, tokens.All()); diff != "" {
		t.Error("order of creation:", diff)
	}
	if diff := cmp.Diff([]string{}, NewTokens().All()); diff != "" {
		t.Error("an empty set:", diff)
	}
}

func TestTokensAtOnce(t *testing.T) {
	tokens := NewTokens()
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 50 {
				token := fmt.Sprintf("%d-%d", i, j)
				if tokens.Add(token) != nil || !tokens.Valid(token) || j%2 == 0 && !tokens.Delete(token) {
					t.Errorf("token %s", token)
				}
				tokens.All()
			}
		})
	}
	wait.Wait()
	if tokens.Len() != 8*25 {
		t.Errorf("%d tokens left", tokens.Len())
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
		tokens := NewTokens()
		if err := tokens.Add(token); err == nil || err.Error() != want {
			t.Errorf("Add(%.10q) = %v, want %s", token, err, want)
		}
		if slices.Contains(tokens.All(), token) {
			t.Errorf("%.10q was added", token)
		}
	}
}
