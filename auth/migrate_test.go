package auth_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// TestMigrate: tokens, keys and revocations of a directory have their effect in a shared store, and a
// repetition does not bring back what was revoked there since.
func TestMigrate(t *testing.T) {
	dir, open := t.TempDir(), auth.NewSharedLog()
	old, err := auth.Open(auth.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]string)
	for _, user := range []string{"ann", "bob"} {
		if texts[user], _, err = old.CreateToken(auth.Token{User: user}); err != nil {
			t.Fatal(err)
		}
	}
	key, _, err := old.CreateKey(auth.Key{Name: "backend", Verbs: auth.KeyPublish})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Revoke(auth.Revocation{User: "bob", Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	migrate := func(want auth.Kept) {
		t.Helper()
		got, err := auth.Migrate(t.Context(), dir, open(), slog.New(slog.DiscardHandler))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	migrate(auth.Kept{Tokens: 2, Keys: 1, Revocations: 1})
	node, err := auth.Open(auth.Options{Store: open()})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	check := func(user string) error {
		_, err := node.Check(access.Credentials{Token: texts[user]})
		return err
	}
	if err := check("ann"); err != nil {
		t.Error(err)
	}
	if err := check("bob"); !errors.Is(err, fault.TokenRevoked) {
		t.Errorf("the token of bob was revoked: %v", err)
	}
	if _, err := node.CheckKey(key); err != nil {
		t.Error(err)
	}
	if _, err := node.Revoke(auth.Revocation{User: "ann", Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	migrate(auth.Kept{})
	if err := check("ann"); !errors.Is(err, fault.TokenRevoked) {
		t.Errorf("the token of ann is valid again: %v", err)
	}

	// A cluster with tokens of its own.
	open = auth.NewSharedLog()
	own, err := auth.Open(auth.Options{Store: open()})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if _, _, err := own.CreateToken(auth.Token{User: "eve"}); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.Migrate(t.Context(), dir, open(), slog.New(slog.DiscardHandler)); !errors.Is(err, auth.ErrNotNew) {
		t.Error(err)
	}
	// A directory without any.
	if got, err := auth.Migrate(t.Context(), t.TempDir(), open(), slog.New(slog.DiscardHandler)); err != nil || got != (auth.Kept{}) {
		t.Errorf("%+v, %v", got, err)
	}
}
