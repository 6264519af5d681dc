package auth

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens an authority that is closed at the end of the test.
func open(t testing.TB, o Options) *Authority {
	t.Helper()
	a, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, a) })
	return a
}

func shut(t testing.TB, a *Authority) {
	t.Helper()
	if err := a.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// reopen closes an authority and opens its directory again.
func reopen(t testing.TB, a *Authority) *Authority {
	t.Helper()
	shut(t, a)
	return open(t, a.options)
}

func mint(t testing.TB, a *Authority) string {
	t.Helper()
	token, err := a.Mint("")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// create creates an opaque token.
func create(t testing.TB, a *Authority, token Token) (text string, made Token) {
	t.Helper()
	text, made, err := a.CreateToken(token)
	if err != nil {
		t.Fatal(err)
	}
	return text, made
}

func createKey(t testing.TB, a *Authority, key Key) (text string, made Key) {
	t.Helper()
	text, made, err := a.CreateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return text, made
}

func revoke(t testing.TB, a *Authority, r Revocation) func(*access.Grant) bool {
	t.Helper()
	match, err := a.Revoke(r)
	if err != nil {
		t.Fatalf("revoke %+v: %v", r, err)
	}
	return match
}

// grant returns the grant of a token, which must be valid.
func grant(t testing.TB, a *Authority, text string) *access.Grant {
	t.Helper()
	g, err := a.Check(access.Credentials{Token: text})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Valid(g); err != nil {
		t.Fatalf("the grant of Check is not valid: %v", err)
	}
	return g
}

// verdict returns "valid" if Check accepts a token, and otherwise the code of the error.
func verdict(a *Authority, text string) string {
	_, err := a.Check(access.Credentials{Token: text})
	return code(err)
}

func code(err error) string {
	if err == nil {
		return "valid"
	}
	return fault.Of(err).Code
}

// failure returns the code and the text of an error.
func failure(err error) string {
	if err == nil {
		return "none"
	}
	return fmt.Sprintf("%s: %v", code(err), err)
}

// journalIn returns the journal of an authority with a directory.
func journalIn(a *Authority) *journal { return a.store.(*journal) }

// journalOf returns the text of the journal in a directory.
func journalOf(t testing.TB, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, journalName))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rules parses rules, which must be valid.
func rules(t testing.TB, text string) *access.Permissions {
	t.Helper()
	p, err := ParseRules([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func words(lines ...string) string { return strings.Join(lines, "\n") + "\n" }
