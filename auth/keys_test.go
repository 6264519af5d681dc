package auth

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestKeyVerbs(t *testing.T) {
	for _, name := range keyVerbNames {
		if verb, err := ParseKeyVerb(name); verb.String() != name || err != nil {
			t.Errorf("%s is read as %v, %v", name, verb, err)
		}
	}
	if got := (KeyPublish | KeyStats).String(); got != "publish, stats" {
		t.Error(got)
	}
	_, err := ParseKeyVerb("push")
	if want := `there is no verb "push" of keys: the verbs are publish, tokens, sessions, stats, view, admin`; err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestKeyMay(t *testing.T) {
	shop := Key{Name: "shop", Verbs: KeyPublish | KeySessions, Channels: []string{"orders.*", "news"}}
	admin := Key{Name: "root", Verbs: KeyAdmin}
	for _, test := range []struct {
		key     Key
		verb    KeyVerb
		channel string
		want    string
	}{
		{shop, KeyPublish, "orders.7", "none"},
		{shop, KeySessions, "news", "none"},
		{shop, KeyPublish, "", "none"},
		{shop, KeyPublish, "orders.7.log", `not_permitted: The key "shop" is only for the channels orders.*, news, and not for "orders.7.log".`},
		{shop, KeyTokens, "", `not_permitted: The key "shop" allows publish, sessions, but not tokens.`},
		{shop, KeyTokens, "news", `not_permitted: The key "shop" allows publish, sessions, but not tokens.`},
		{shop, KeyAdmin, "", `not_permitted: The key "shop" allows publish, sessions, but not admin.`},
		{shop, KeyPublish | KeyStats, "", `not_permitted: The key "shop" allows publish, sessions, but not stats.`},
		{admin, KeyPublish, "x", "none"},
		{admin, KeyAdmin | KeyStats, "", "none"},
		{Key{Name: "root", Verbs: KeyAdmin, Channels: []string{"a"}}, KeyPublish, "b", `not_permitted: The key "root" is only for the channels a, and not for "b".`},
	} {
		if got := failure(test.key.May(test.verb, test.channel)); got != test.want {
			t.Errorf("%v on %q:\n got %s\nwant %s", test.verb, test.channel, got, test.want)
		}
	}
}

func TestCreateKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, Options{})
		now := time.Now().UTC()
		if a.HasKeys() || len(a.Keys()) != 0 {
			t.Fatal("there are keys already")
		}
		asked := Key{
			ID: "ignored", Name: "shop", Verbs: KeyPublish | KeyTokens, Channels: []string{"orders.*"},
			Created: now.Add(-1), Expires: now.Add(time.Hour), LastUsed: now,
		}
		text, made := createKey(t, a, asked)
		if !regexp.MustCompile(`^bk_[A-Za-z0-9_-]{43}$`).MatchString(text) || !isID("key_", made.ID) || !a.HasKeys() {
			t.Errorf("text %q, ID %q, HasKeys %v", text, made.ID, a.HasKeys())
		}
		want := asked
		want.ID, want.Created, want.LastUsed = made.ID, now, time.Time{}
		if diff := cmp.Diff(want, made); diff != "" {
			t.Errorf("what was made (-want +got):\n%s", diff)
		}
		_, second := createKey(t, a, Key{Name: "other", Verbs: KeyAdmin})
		if diff := cmp.Diff([]Key{want, second}, a.Keys()); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}

		time.Sleep(90 * time.Second)
		got, err := a.CheckKey(text)
		want.LastUsed = now.Add(90 * time.Second).Truncate(time.Minute)
		if diff := cmp.Diff(&want, got); diff != "" || err != nil {
			t.Errorf("in use (-want +got): %v\n%s", err, diff)
		}
		if diff := cmp.Diff([]Key{want, second}, a.Keys()); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
		if list := a.Keys(); &list[0].Channels[0] == &got.Channels[0] {
			t.Error("two calls returned the same slice")
		}

		time.Sleep(time.Hour - 90*time.Second)
		_, err = a.CheckKey(text)
		if want := fmt.Sprintf("invalid_key: The API key \"shop\" (%s) expired at %s.", made.ID, stamp(made.Expires)); failure(err) != want {
			t.Errorf("expired:\n got %s\nwant %s", failure(err), want)
		}
		_, err = a.CheckKey(text[:len(text)-1])
		if want := "invalid_key: The API key is unknown. `boreas key list` lists the keys, and `boreas key new` makes one."; failure(err) != want {
			t.Errorf("unknown:\n got %s\nwant %s", failure(err), want)
		}
	})
}

func TestCreateKeyRefuses(t *testing.T) {
	a := open(t, Options{MaxKeys: 3})
	_, first := createKey(t, a, Key{Name: "shop", Verbs: KeyPublish})
	createKey(t, a, Key{Name: "shop", Verbs: KeyPublish})
	createKey(t, a, Key{Name: "ops", Verbs: KeyStats})
	for _, test := range []struct {
		key  Key
		want string
	}{
		{Key{Verbs: KeyPublish}, "malformed: The key's name is empty."},
		{Key{Name: strings.Repeat("ü", 65), Verbs: KeyPublish}, "malformed: The key's name has 65 characters, more than 64."},
		{Key{Name: "a\x7f", Verbs: KeyPublish}, "malformed: The key's name has a control character, or is not valid UTF-8."},
		{Key{Name: "a"}, "malformed: The key has no valid verbs: the verbs are publish, tokens, sessions, stats, view, admin."},
		{Key{Name: "a", Verbs: 1 << 6}, "malformed: The key has no valid verbs: the verbs are publish, tokens, sessions, stats, view, admin."},
		{Key{Name: "a", Verbs: KeyStats, Channels: []string{"a", ""}}, "malformed: The pattern is empty: ** matches every channel."},
		{Key{Name: "a", Verbs: KeyStats, Channels: make([]string, 101)}, "malformed: The key has 101 patterns of channels, more than 100."},
		{Key{Name: "a", Verbs: KeyStats, Expires: time.Unix(1_000_000_000, 0)}, "malformed: The time in expires, 2001-09-09T01:46:40Z, is in the past. To end a token or key at once, delete or revoke it."},
		{Key{Name: "shop", Verbs: KeyStats}, "malformed: There are already 2 valid keys named \"shop\", which is enough to replace one with the next. Revoke the older one first, " + first.ID + ", or use another name."},
		{Key{Name: "a", Verbs: KeyStats}, "too_many_stored: The server has reached its limit of 3 keys. Revoke keys that nobody uses."},
	} {
		if _, _, err := a.CreateKey(test.key); failure(err) != test.want {
			t.Errorf("%+.40v:\n got %s\nwant %s", test.key, failure(err), test.want)
		}
	}
	if len(a.Keys()) != 3 {
		t.Errorf("%d keys", len(a.Keys()))
	}
}

// TestKeysAreReplaced creates keys with the same name in turn, as for rotation. Two may exist at once.
func TestKeysAreReplaced(t *testing.T) {
	a := open(t, Options{MaxKeys: 2, DataDir: t.TempDir()})
	oldText, old := createKey(t, a, Key{Name: "shop", Verbs: KeyPublish})
	for range 3 {
		text, made := createKey(t, a, Key{Name: "shop", Verbs: KeyPublish})
		revoke(t, a, Revocation{Key: old.ID})
		_, err := a.CheckKey(oldText)
		if want := fmt.Sprintf("invalid_key: The API key \"shop\" (%s) is revoked.", old.ID); failure(err) != want {
			t.Errorf("revoked:\n got %s\nwant %s", failure(err), want)
		}
		if diff := cmp.Diff([]Key{made}, a.Keys()); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
		oldText, old = text, made
		a = reopen(t, a)
		if n := len(a.state.keyIDs); n != 2 {
			t.Errorf("%d keys are kept", n)
		}
	}
	revoke(t, a, Revocation{Key: old.ID})
	if !a.HasKeys() || !reopen(t, a).HasKeys() {
		t.Error("without a valid key, the API needs no key any more")
	}
}

// TestKeyUseIsKept: the last use is stored to the hour while the server runs, and to the minute when
// it stops.
func TestKeyUseIsKept(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := open(t, Options{DataDir: dir})
		text, _ := createKey(t, a, Key{Name: "shop", Verbs: KeyPublish})
		synctest.Wait() // a use is not stored while the authority reads lines
		start := time.Now()
		var written []string
		for range 100 {
			if _, err := a.CheckKey(text); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		for l := range strings.Lines(unsealed(t, journalOf(t, dir))) {
			if line, err := readLine([]byte(l)); err == nil && line.Op == opUsed {
				written = append(written, line.Used.Sub(start).String())
			}
		}
		if diff := cmp.Diff([]string{"0s", "1h0m0s"}, written); diff != "" {
			t.Errorf("uses on disk (-want +got):\n%s", diff)
		}
		for _, when := range []string{"after a restart", "after compaction"} {
			a = reopen(t, a)
			if got := a.Keys()[0].LastUsed.Sub(start); got != 99*time.Minute {
				t.Errorf("%s: last used after %v", when, got)
			}
			if err := journalIn(a).rewrite(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestChangesWithARevokedKey: a change fails if its key was revoked while it waited for its
// turn.
func TestChangesWithARevokedKey(t *testing.T) {
	a := open(t, Options{})
	_, key := createKey(t, a, Key{Name: "shop", Verbs: KeyAdmin})
	_, other := createKey(t, a, Key{Name: "other", Verbs: KeyAdmin})
	_, made := create(t, a, Token{User: "u1", Key: other.ID})
	revoke(t, a, Revocation{User: "u2"})
	revoke(t, a, Revocation{Key: key.ID, By: key.ID}) // the key revokes itself
	label := "x"
	for what, do := range map[string]func() error{
		"Mint":        func() error { _, err := a.Mint(key.ID); return err },
		"CreateToken": func() error { _, _, err := a.CreateToken(Token{Key: key.ID}); return err },
		"UpdateToken": func() error { _, _, err := a.UpdateToken(made.ID, TokenChange{Label: &label, Key: key.ID}); return err },
		"CreateKey":   func() error { _, _, err := a.CreateKey(Key{Name: "b", Verbs: KeyAdmin, Key: key.ID}); return err },
		"Revoke":      func() error { _, err := a.Revoke(Revocation{User: "u1", By: key.ID}); return err },
		"Unrevoke":    func() error { _, err := a.Unrevoke(Revocation{User: "u2", By: key.ID}); return err },
		"ValidKey":    func() error { return a.ValidKey(key.ID) },
	} {
		if got, want := failure(do()), `invalid_key: The API key "shop" (`+key.ID+`) is revoked.`; got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	if err := a.ValidKey(other.ID); err != nil {
		t.Error(err)
	}
}
