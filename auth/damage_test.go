package auth

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDamagedJournal(t *testing.T) {
	const (
		head  = `{"op":"boreas","version":2,"lines":1}` + "\n"
		token = `{"op":"token","id":"tok_0123456789abcdef","hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","created":"2026-01-01T00:00:00Z"}` + "\n"
		key   = `{"op":"key","id":"key_0123456789abcdef","hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","label":"a","verbs":["admin"]}` + "\n"
	)
	open := sealed(head)
	for text, want := range map[string]string{
		"":                         "line 1, which begins at byte 0, is damaged: the file is empty",
		strings.Repeat("\x00", 99): "line 1, which begins at byte 0, is damaged: it has zero bytes, as after a power failure or an incomplete copy",
		strings.Repeat("\x00", 99) + "\n" + token: "line 1, which begins at byte 0, is damaged: it has zero bytes, as after a power failure or an incomplete copy",
		"\n" + open:                          "line 1, which begins at byte 0, is damaged: the first line is not the one that the server writes",
		strings.TrimSpace(open):              "line 1, which begins at byte 0, is damaged: the first line is not the one that the server writes",
		open[:30]:                            "line 1, which begins at byte 0, is damaged: the first line is not the one that the server writes",
		sealed(token):                        "line 1, which begins at byte 0, is damaged: the first line is not the one that the server writes",
		`{"op":"boreas","version":3}` + "\n": "line 1, which begins at byte 0, is damaged: a server with version 3 of this format wrote it, and this server supports version 2",
		strings.Replace(sealed(head+token), `tok_0`, `tok_1`, 1): "line 2, which begins at byte 55, is damaged: its checksum is wrong: this line, or one before it, was changed or lost",
		open + "\n" + token:                                                                         "line 2, which begins at byte 55, is damaged: its checksum is wrong: this line, or one before it, was changed or lost",
		open + sealed(token):                                                                        "line 2, which begins at byte 55, is damaged: its checksum is wrong: this line, or one before it, was changed or lost",
		open + token + "\x00\x00\n":                                                                 "line 2, which begins at byte 55, is damaged: its checksum is wrong: this line, or one before it, was changed or lost",
		open + "\x00\x00" + token:                                                                   "line 2, which begins at byte 55, is damaged: it has zero bytes, as after a power failure or an incomplete copy",
		open + "\x00\x00":                                                                           "line 2, which begins at byte 55, is damaged: it has zero bytes, as after a power failure or an incomplete copy",
		open + `{"op":"` + "\x01":                                                                   "line 2, which begins at byte 55, is damaged: it has a control character",
		strings.Replace(sealed(head+token)+"*", "\n*", "*", 1):                                      "line 2, which begins at byte 55, is damaged: it does not end with a newline",
		sealed(strings.Replace(head, "1}", "3}", 1) + token):                                        "line 3, which begins at byte 201, is damaged: it is missing, because the file was written with 3 lines and is shorter now",
		sealed(head + head):                                                                         `line 2, which begins at byte 55, is damaged: unknown operation "boreas"`,
		sealed(head + `{"op":"token"}` + "\n" + token):                                              "line 2, which begins at byte 55, is damaged: a token has no valid ID",
		sealed(head + `{"op":"dance"}` + "\n"):                                                      `line 2, which begins at byte 55, is damaged: unknown operation "dance"`,
		sealed(head + token + strings.Replace(token, "012", "210", 1)):                              "line 3, which begins at byte 201, is damaged: a token has the ID or the hash of another",
		sealed(head + token + strings.Replace(token, "AAA", "BBB", 1)):                              "line 3, which begins at byte 201, is damaged: a token has the ID or the hash of another",
		sealed(head + key + key):                                                                    "line 3, which begins at byte 196, is damaged: a key has the ID or the hash of another",
		sealed(head + strings.Replace(key, "admin", "all", 1)):                                      `line 2, which begins at byte 55, is damaged: there is no verb "all" of keys: the verbs are publish, tokens, sessions, stats, view, admin`,
		sealed(head + strings.Replace(key, "key_0", "tok_0", 1)):                                    "line 2, which begins at byte 55, is damaged: a key has no valid ID",
		sealed(head + strings.Replace(key, `["admin"]`, `[]`, 1)):                                   "line 2, which begins at byte 55, is damaged: the key has no valid verbs: the verbs are publish, tokens, sessions, stats, view, admin",
		sealed(head + strings.Replace(token, "2026", "9999", 1)):                                    "line 2, which begins at byte 55, is damaged: the time 9999-01-01 00:00:00 +0000 UTC is not plausible",
		sealed(head + strings.Replace(token, `"created"`, `"user":"\n","created"`, 1)):              "line 2, which begins at byte 55, is damaged: the user's name has a control character, U+000A, at byte 0",
		sealed(head + `{"op":"revoke"}` + "\n"):                                                     "line 2, which begins at byte 55, is damaged: a revocation names nothing to revoke",
		sealed(head + `{"op":"revoke","mark":"CAAAAAAAAAAAAAAAAAAAAA"}` + "\n"):                     "line 2, which begins at byte 55, is damaged: unknown kind of revocation",
		sealed(head + `{"op":"delete","id":"` + strings.Repeat("x", maxLine) + `"}` + "\n" + token): "line 2, which begins at byte 55, is damaged: it is longer than 1048576 bytes",
		// The next errors contain more text of the decoder.
		sealed(head + strings.Replace(token, "AAAA", "", 1)):                 "line 2, which begins at byte 55, is damaged: it is not in the form that the server writes: ",
		sealed(head + strings.Replace(key, `"label"`, `"channals"`, 1)):      "line 2, which begins at byte 55, is damaged: it is not in the form that the server writes: ",
		sealed(head + strings.Replace(key, `"label"`, `"Label"`, 1)):         "line 2, which begins at byte 55, is damaged: it is not in the form that the server writes: ",
		sealed(head + strings.Replace(key, `"label"`, `"id":"","label"`, 1)): "line 2, which begins at byte 55, is damaged: it is not in the form that the server writes: ",
		// Files of version 1 have no checksums.
		head1 + strings.Replace(key, `"label"`, `"channals":["a"],"label"`, 1): "line 2, which begins at byte 28, is damaged: it is not in the form that the server writes: ",
		head1 + "\n" + token:                   "line 2, which begins at byte 28, is damaged: it is not in the form that the server writes: ",
		head1 + head1:                          `line 2, which begins at byte 28, is damaged: unknown operation "boreas"`,
		head1 + strings.TrimSpace(token) + "*": "line 2, which begins at byte 28, is damaged: it does not end with a newline",
		head1 + "\x00\x00":                     "line 2, which begins at byte 28, is damaged: it has zero bytes, as after a power failure or an incomplete copy",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, journalName)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		want = path + ": " + want
		for range 2 { // the second finds the directory unlocked
			_, err := Open(Options{DataDir: dir})
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%.200q:\n got %v\nwant %s", text, err, want)
				continue
			}
			for _, advice := range []string{"Replace the file with a backup", "move the file away", "boreas key new NAME --verbs=admin --data-dir=" + dir} {
				if !strings.Contains(err.Error(), advice) {
					t.Errorf("%.200q: %v does not say: %s", text, err, advice)
				}
			}
		}
		if diff := cmp.Diff(text, journalOf(t, dir)); diff != "" {
			t.Errorf("the file was changed (-want +got):\n%s", diff)
		}
	}
}

// TestEachBit changes each bit of a journal in turn. The change is detected, or has no effect.
func TestEachBit(t *testing.T) {
	dir := t.TempDir()
	a := open(t, Options{DataDir: dir})
	createKey(t, a, Key{Name: "shop@example.com", Verbs: KeyPublish, Channels: []string{"x.*"}})
	create(t, a, Token{User: "a@b", Label: "J *", Rules: rules(t, `[{"channels":["a"],"allow":["join"]}]`), Expires: time.Now().Add(time.Hour)})
	revoke(t, a, Revocation{User: "u1"})
	// Not closed: the last two lines are left as after a crash.
	want, text := snapshot(t, a), []byte(journalOf(t, dir))
	for i := range text {
		for bit := range 8 {
			text[i] ^= 1 << bit
			s := newState()
			if got, err := load(strings.NewReader(string(text)), s.applyText); err == nil {
				if diff := cmp.Diff(want, snapshot(t, &Authority{state: s})); diff != "" || got.torn > 0 {
					t.Errorf("bit %d of byte %d, %d torn bytes (-want +got):\n%s", bit, i, got.torn, diff)
				}
			}
			text[i] ^= 1 << bit
		}
	}
}

// TestLinesLostOrMoved: the checksum of each line covers the lines before it.
func TestLinesLostOrMoved(t *testing.T) {
	dir := t.TempDir()
	a := open(t, Options{DataDir: dir})
	for i := range 5 {
		revoke(t, a, Revocation{User: fmt.Sprint("u", i)})
	}
	lines := strings.SplitAfter(journalOf(t, dir), "\n")
	lines = lines[:len(lines)-1]
	for i := range len(lines) - 1 {
		for what, text := range map[string][]string{
			"lost":    append(append([]string{}, lines[:i]...), lines[i+1:]...),
			"twice":   append(append([]string{}, lines[:i+1]...), lines[i:]...),
			"swapped": append(append(append([]string{}, lines[:i]...), lines[i+1], lines[i]), lines[i+2:]...),
		} {
			if _, err := load(strings.NewReader(strings.Join(text, "")), newState().applyText); err == nil {
				t.Errorf("line %d %s: not detected", i+1, what)
			}
		}
	}
}

// TestCutShort: a file that is shorter than at the last start, stop or new key is damaged. Without
// this check, a file that lost its keys would open the API to everybody.
func TestCutShort(t *testing.T) {
	for name, stop := range map[string]bool{"after a stop": true, "after a crash": false} {
		dir := t.TempDir()
		a := open(t, Options{DataDir: dir})
		mint(t, a)
		createKey(t, a, Key{Name: "shop", Verbs: KeyAdmin})
		if stop {
			revoke(t, a, Revocation{User: "u1"})
			shut(t, a)
		}
		text := journalOf(t, dir)
		if !stop {
			shut(t, a)
		}
		for cut := range len(text) - 1 { // the file without its last newline is complete
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, journalName), []byte(text[:cut]), 0o600); err != nil {
				t.Fatal(err)
			}
			if b, err := Open(Options{DataDir: dir}); err == nil {
				t.Errorf("%s, cut at byte %d of %d: opened without an error", name, cut, len(text))
				shut(t, b)
			}
		}
	}
}

// TestVersion1: files without checksums are read, and rewritten with checksums.
func TestVersion1(t *testing.T) {
	const (
		key   = `{"op":"key","id":"key_0123456789abcdef","hash":"CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","label":"a","verbs":["admin"],"channels":["a.*"]}` + "\n"
		token = `{"op":"token","id":"tok_0123456789abcdef","hash":"BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","created":"2026-01-01T00:00:00Z"}` + "\n"
	)
	for name, c := range map[string]struct{ text, want string }{
		"whole":               {head1 + token + key, `{"op":"boreas","version":2,"lines":3}` + "\n" + token + key},
		"head alone":          {head1, `{"op":"boreas","version":2,"lines":1}` + "\n"},
		"torn":                {head1 + token + key[:50], `{"op":"boreas","version":2,"lines":2}` + "\n" + token},
		"without its newline": {head1 + token + strings.TrimSpace(key), `{"op":"boreas","version":2,"lines":3}` + "\n" + token + key},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalName), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		a := open(t, Options{DataDir: dir})
		want := strings.ReplaceAll(c.want, `00Z"}`, `00Z","serial":1}`) // which later versions added to tokens
		if diff := cmp.Diff(want, unsealed(t, journalOf(t, dir))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		added := mint(t, a)
		if got := verdict(reopen(t, a), added); got != "valid" {
			t.Errorf("%s: a later token is %s", name, got)
		}
	}
}

// TestWithoutItsNewline: a last line that lacks only its newline is not truncated.
func TestWithoutItsNewline(t *testing.T) {
	dir := t.TempDir()
	a := open(t, Options{DataDir: dir})
	revoke(t, a, Revocation{User: "u1"})
	text := strings.TrimSpace(journalOf(t, dir))
	shut(t, a)
	if err := os.WriteFile(filepath.Join(dir, journalName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a = open(t, Options{DataDir: dir})
	revoke(t, a, Revocation{User: "u2"})
	if n := reopen(t, a).Revocations(); n != 2 {
		t.Errorf("%d revocations", n)
	}
}

// TestDanglingLink: the disk that the journal is on may not be mounted.
func TestDanglingLink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "unmounted", journalName), filepath.Join(dir, journalName)); err != nil {
		t.Skip(err)
	}
	if a, err := Open(Options{DataDir: dir}); err == nil {
		t.Error("opened without an error")
		shut(t, a)
	}
}
