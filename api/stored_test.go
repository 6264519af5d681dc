package api_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
)

// unwritable makes an authority unable to store anything, until the returned function is called.
func unwritable(t *testing.T, dir string) (writable func()) {
	t.Helper()
	path := filepath.Join(dir, "auth.jsonl")
	move := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(path, path+".old")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return func() { move(path+".old", path) }
}

// A revocation that cannot be stored still ends the sessions, returns an error, and can be
// repeated. Other changes that cannot be stored have no effect.
func TestNotStored(t *testing.T) {
	for _, c := range []struct {
		what, method, path, body string
		done                     string // the status when the disk works again
	}{
		{"classic", "DELETE", "/token/CLASSIC", "", "204"},
		{"opaque", "DELETE", "/v2/tokens/OPAQUE", "", "200"},
		{"opaque by text", "POST", "/v2/revocations", `{"token":"TEXT"}`, "201"},
		{"user", "POST", "/v2/revocations", `{"user":"ann"}`, "201"},
		{"key", "DELETE", "/v2/keys/KEY", "", "200"},
		{"key as revocation", "POST", "/v2/revocations", `{"key":"KEY"}`, "201"},
		{"all", "POST", "/v2/revocations", `{"issued_before":"2199-01-01T00:00:00Z"}`, "201"},
		{"making classic", "POST", "/token/", "", "200"},
		{"making opaque", "POST", "/v2/tokens", "{}", "201"},
		{"making key", "POST", "/v2/keys", `{"name":"n","verbs":["stats"]}`, "201"},
		{"changing", "PATCH", "/v2/tokens/OPAQUE", `{"label":"x"}`, "200"},
		{"undoing", "DELETE", "/v2/revocations?user=eve", "", "204"},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			authority := open(t, auth.Options{DataDir: dir})
			r := newRig(t, boreas.Options{}, api.Options{Authority: authority, Ready: authority.Ready})
			admin, _ := r.makeKey("admin", auth.KeyAdmin)
			_, made := r.makeKey("backend", auth.KeyTokens)
			classic, err := authority.Mint(made.ID)
			if err != nil {
				t.Fatal(err)
			}
			text, token := r.makeToken(auth.Token{User: "ann", Key: made.ID})
			if _, err := authority.Revoke(auth.Revocation{User: "eve"}); err != nil {
				t.Fatal(err)
			}
			one, two := r.subscribeWith(t, classic), r.subscribeWith(t, text)
			names := strings.NewReplacer("CLASSIC", classic, "OPAQUE", token.ID, "TEXT", text, "KEY", made.ID)
			ask := func() string {
				return r.do(c.method, names.Replace(c.path), names.Replace(c.body), "Authorization", "Bearer "+admin)
			}
			revokes := strings.Contains("classic opaque by text user key as revocation all", c.what)

			writable := unwritable(t, dir)
			got := ask()
			if !strings.HasPrefix(got, "507\n") || strings.Contains(got, dir) || !strings.Contains(got, "data_dir") || !strings.Contains(got, "Retry-After: 5") {
				t.Fatalf("got %s", got)
			}
			if left := one.Grant() != nil && two.Grant() != nil; left == revokes {
				t.Errorf("all sessions are there: %v", left)
			}
			if strings.Contains(got, "The revocation is in force") != revokes || strings.Contains(got, "Nothing was changed") == revokes {
				t.Errorf("got %s", got)
			}
			if got := r.do("GET", "/readyz", ""); strings.HasPrefix(got, "503\n") != revokes {
				t.Errorf("ready: %s", got)
			}
			if revokes {
				if got := ask(); !strings.HasPrefix(got, "507\n") {
					t.Errorf("repeated: %s", got)
				}
			}
			writable()
			if got := ask(); !strings.HasPrefix(got, c.done+"\n") {
				t.Errorf("when the disk works again: %s", got)
			}
			if got := r.do("GET", "/readyz", ""); !strings.HasPrefix(got, "200\n") {
				t.Errorf("ready: %s", got)
			}
		})
	}
}
