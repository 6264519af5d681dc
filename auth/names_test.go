package auth

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNamesAreKeyed: the name that other users see cannot be computed from a token, or from its
// ID. It stays the same for one data_dir, and differs between servers.
func TestNamesAreKeyed(t *testing.T) {
	const guessable = "secret"
	names := func(a *Authority) (classic, opaque string) {
		t.Helper()
		if err := a.Add(guessable); err != nil {
			t.Fatal(err)
		}
		text, made := create(t, a, Token{})
		classic, opaque = grant(t, a, guessable).User, grant(t, a, text).User
		for _, name := range []string{classic, opaque} {
			if !strings.HasPrefix(name, "u_") || len(name) != len("u_")+idLength {
				t.Errorf("the name is %q", name)
			}
		}
		if classic == "u_"+nameOf(guessable) || opaque == "u_"+nameOf(made.ID) || made.User != opaque {
			t.Errorf("the names are %s and %s", classic, opaque)
		}
		return classic, opaque
	}
	kept := open(t, Options{DataDir: t.TempDir()})
	classic, _ := names(kept)
	text, _ := create(t, kept, Token{})
	before := grant(t, kept, text).User
	kept = reopen(t, kept)
	if again, _ := names(kept); again != classic {
		t.Errorf("after a restart: %s, before %s", again, classic)
	}
	if again := grant(t, kept, text).User; again != before {
		t.Errorf("after a restart: %s, before %s", again, before)
	}
	if err := journalIn(kept).rewrite(); err != nil {
		t.Fatal(err)
	}
	kept = reopen(t, kept)
	if again := grant(t, kept, text).User; again != before {
		t.Errorf("after a compaction: %s, before %s", again, before)
	}
	seen := map[string]bool{classic: true}
	for _, o := range []Options{{}, {}, {DataDir: t.TempDir()}} {
		name, _ := names(open(t, o))
		if seen[name] {
			t.Errorf("two servers have the name %s", name)
		}
		seen[name] = true
	}
}

// TestNameKeyFile: only the owner can read the file, and a damaged file is not replaced
// automatically.
func TestNameKeyFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, namesFile)
	shut(t, open(t, Options{DataDir: dir}))
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if _, err := os.Stat(filepath.Join(dir, newNamesFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary file still exists: %v", err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "zeroes": strings.Repeat("\x00", len(good)), "cut": string(good[:20]), "longer": string(good) + "x", "no base64": strings.Repeat("?", 43) + "\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Options{DataDir: dir})
		if err == nil || !strings.HasPrefix(err.Error(), path+" is damaged") || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%s: %v", name, err)
		}
		if after, _ := os.ReadFile(path); string(after) != text {
			t.Errorf("%s: the file was changed", name)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	shut(t, open(t, Options{DataDir: dir}))
}
