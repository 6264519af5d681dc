package auth

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

const adminKey = "bk_0123456789abcdefghijklmnopqrstuv"

func TestCheckAdminKey(t *testing.T) {
	for text, want := range map[string]string{
		adminKey:                                   "",
		"bk_" + strings.Repeat("-", maxAdminKey):   "",
		"0123456789abcdefghijklmnopqrstuvwxyz":     "the key does not begin with bk_: make one with `echo bk_$(openssl rand -hex 32)`",
		adminKey[:len(adminKey)-1]:                 "the key has 31 characters after bk_: give it 32 to 256 random ones",
		"bk_" + strings.Repeat("-", maxAdminKey+1): "the key has 257 characters after bk_: give it 32 to 256 random ones",
		"bk_" + strings.Repeat("-", 31) + "=":      "character 35 of the key is not a letter, a digit, - or _: remove it",
	} {
		got := ""
		if err := CheckAdminKey(text); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	if _, err := Open(Options{AdminKey: "short"}); err == nil {
		t.Error("an authority with a short key was opened")
	}
}

func TestAdminKey(t *testing.T) {
	o := Options{DataDir: t.TempDir(), AdminKey: adminKey}
	a := open(t, o)
	keys := a.Keys()
	if len(keys) != 1 || !isID("key_", keys[0].ID) || !a.HasKeys() || !a.HasKey(keys[0].ID) {
		t.Fatalf("keys %v, HasKeys %v", keys, a.HasKeys())
	}
	id := keys[0].ID
	if diff := cmp.Diff(Key{ID: id, Name: AdminKeyName, Verbs: KeyAdmin}, keys[0]); diff != "" {
		t.Errorf("the key (-want +got):\n%s", diff)
	}
	k, err := a.CheckKey(adminKey)
	if err != nil || k.ID != id || k.LastUsed.IsZero() || a.ValidKey(id) != nil {
		t.Fatalf("%+v, %v, %v", k, err, a.ValidKey(id))
	}
	if got := failure(k.May(KeyAdmin, "news")); got != "none" {
		t.Error(got)
	}
	if _, err := a.CheckKey(adminKey + "x"); code(err) != "invalid_key" {
		t.Error(err)
	}
	token, _ := create(t, a, Token{User: "ann", Key: id})
	stored, _ := createKey(t, a, Key{Name: "backend", Verbs: KeyPublish, Key: id})
	if text := journalOf(t, o.DataDir); strings.Contains(text, adminKey) || strings.Contains(text, "admin_key") {
		t.Errorf("the journal has the key: %s", text)
	}

	// The ID stays the same, and so does the key's revocation. It stays in force if the option is
	// given again.
	shut(t, a)
	a = open(t, o)
	if _, err := a.Check(access.Credentials{Token: token}); err != nil || a.Keys()[0].ID != id {
		t.Errorf("after a restart: %v, %v", err, a.Keys())
	}
	revoke(t, a, Revocation{Key: id})
	for range 2 {
		if _, err := a.CheckKey(adminKey); failure(err) != `invalid_key: The API key "admin_key" (`+id+`) is revoked.` {
			t.Error(failure(err))
		}
		if got := verdict(a, token); got != "token_revoked" && got != "invalid_token" {
			t.Error(got)
		}
		if _, err := a.CheckKey(stored); err != nil || len(a.Keys()) != 1 || !a.HasKeys() {
			t.Errorf("%v, %v", err, a.Keys())
		}
		if ok, err := a.Unrevoke(Revocation{Key: id}); ok || code(err) != "malformed" || a.HasKey(id) {
			t.Errorf("Unrevoke: %v, %v; HasKey %v", ok, err, a.HasKey(id))
		}
		if _, _, err := a.CreateKey(Key{Name: "late", Verbs: KeyAdmin, Key: id}); code(err) != "invalid_key" {
			t.Errorf("the revoked key made another: %v", err)
		}
		shut(t, a)
		a = open(t, o)
	}

	// With another key the server accepts that one.
	shut(t, a)
	o.AdminKey = strings.ToUpper(adminKey)
	o.AdminKey = "bk_" + o.AdminKey[3:]
	a = open(t, o)
	if _, err := a.CheckKey(o.AdminKey); err != nil || a.Keys()[0].ID == id {
		t.Errorf("%v, %v", err, a.Keys())
	}
	if err := a.ValidKey(id); code(err) != "invalid_key" {
		t.Error(err)
	}
}

// TestFormerAdminKey: a key that was replaced can be revoked afterwards, with the tokens that it made.
func TestFormerAdminKey(t *testing.T) {
	o := Options{DataDir: t.TempDir(), AdminKey: adminKey}
	a := open(t, o)
	id := a.Keys()[0].ID
	token, _ := create(t, a, Token{User: "ann", Key: id})
	shut(t, a)
	o.AdminKey += "x"
	a = open(t, o)
	if got := verdict(a, token); got != "valid" {
		t.Fatal(got)
	}
	if _, err := a.Revoke(Revocation{Key: "key_0000000000000000"}); code(err) != code(fault.NoKey) {
		t.Errorf("an unknown key: %v", err)
	}
	revoke(t, a, Revocation{Key: id})
	if got := verdict(a, token); got == "valid" {
		t.Error("the token of the former key is still valid")
	}
	shut(t, a)
	o.AdminKey = adminKey
	a = open(t, o)
	if _, err := a.CheckKey(adminKey); code(err) != "invalid_key" {
		t.Errorf("the former key is valid again: %v", err)
	}
}

// TestUnstoredRevocationOfAdminKey: the revocation can be repeated until it is stored.
func TestUnstoredRevocationOfAdminKey(t *testing.T) {
	a := open(t, Options{DataDir: t.TempDir(), AdminKey: adminKey})
	id := a.Keys()[0].ID
	a.writing.Lock()
	a.enforce(&line{Op: opRevoke, ID: id, Target: targetOf(targetKey, id)})
	a.writing.Unlock()
	if err := a.ValidKey(id); code(err) != "invalid_key" || !a.HasKey(id) {
		t.Errorf("before it is stored: %v, HasKey %v", err, a.HasKey(id))
	}
	a.writing.Lock()
	err := a.flush()
	a.writing.Unlock()
	if err != nil || a.HasKey(id) {
		t.Errorf("once it is stored: %v, HasKey %v", err, a.HasKey(id))
	}
}
