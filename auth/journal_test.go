package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/internal/fault"
)

// snapshot is all that an authority knows, as a journal has it.
func snapshot(t testing.TB, a *Authority) string {
	t.Helper()
	var text []byte
	err := a.state.lines(func(l *line) (err error) {
		text, err = l.appendTo(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestJournalText is the file to the letter: it is read by servers to come.
func TestJournalText(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		a := open(t, Options{DataDir: dir, KeepText: true})
		at := time.Now()
		var secrets []string
		classic := mint(t, a)
		text, made := create(t, a, Token{User: "u1", Label: "phone", Expires: at.Add(time.Hour), Key: "key_1", Rules: rules(t, `[{"channels":["a","b.*"],"allow":["join"]}]`)})
		label := "tablet"
		if _, _, err := a.UpdateToken(made.ID, TokenChange{Label: &label}); err != nil {
			t.Fatal(err)
		}
		keyText, key := createKey(t, a, Key{Name: "shop", Verbs: KeyPublish | KeyStats, Channels: []string{"x.*"}})
		if _, err := a.CheckKey(keyText); err != nil {
			t.Fatal(err)
		}
		if err := a.Add("provided"); err != nil {
			t.Fatal(err)
		}
		for _, r := range []Revocation{
			{Token: "provided"}, {Token: made.ID}, {User: "u1"}, {Key: key.ID, Until: at.Add(time.Hour)}, {IssuedBefore: at},
		} {
			revoke(t, a, r)
		}
		if _, err := a.Unrevoke(Revocation{User: "u1"}); err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, classic, text, keyText, "provided\"")

		got := journalOf(t, dir)
		for _, secret := range secrets {
			if strings.Contains(got, secret) {
				t.Errorf("%s is on disk", secret)
			}
		}
		for old, replaced := range map[string]string{
			made.ID: "tok_OPAQUE", key.ID: "key_KEY", classicID(classic): "tok_CLASSIC", classicID("provided"): "tok_PROVIDED",
			`"hash":"[^"]{43}"`: `"hash":"HASH"`, `"mark":"[^"]{22}"`: `"mark":"MARK"`,
		} {
			got = regexp.MustCompile(old).ReplaceAllString(got, replaced)
		}
		want := words(
			`{"op":"boreas","version":1}`,
			`{"op":"token","id":"tok_CLASSIC","hash":"HASH","classic":true,"created":"2000-01-01T00:00:00Z","serial":1}`,
			`{"op":"token","id":"tok_OPAQUE","hash":"HASH","user":"u1","label":"phone","created":"2000-01-01T00:00:00Z","expires":"2000-01-01T01:00:00Z","rules":[{"channels":["a","b.*"],"allow":["join"]}],"key":"key_1","serial":2}`,
			`{"op":"token","id":"tok_OPAQUE","hash":"HASH","user":"u1","label":"tablet","created":"2000-01-01T00:00:00Z","expires":"2000-01-01T01:00:00Z","rules":[{"channels":["a","b.*"],"allow":["join"]}],"key":"key_1","serial":2}`,
			`{"op":"key","id":"key_KEY","hash":"HASH","label":"shop","verbs":["publish","stats"],"channels":["x.*"],"created":"2000-01-01T00:00:00Z"}`,
			`{"op":"used","id":"key_KEY","used":"2000-01-01T00:00:00Z"}`,
			`{"op":"revoke","id":"tok_PROVIDED","mark":"MARK"}`,
			`{"op":"delete","id":"tok_OPAQUE"}`,
			`{"op":"revoke","mark":"MARK","before":"2000-01-01T00:00:00Z","serial":4}`,
			`{"op":"revoke","id":"key_KEY","mark":"MARK","until":"2000-01-01T01:00:00Z"}`,
			`{"op":"revoke","mark":"MARK","before":"2000-01-01T00:00:00Z","own":"2000-01-01T00:00:00Z","serial":5}`,
			`{"op":"unrevoke","mark":"MARK"}`,
		)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("journal (-want +got):\n%s", diff)
		}
		before := snapshot(t, a)
		if diff := cmp.Diff(sortMarks(before), sortMarks(snapshot(t, reopen(t, a)))); diff != "" {
			t.Errorf("after a restart (-before +after):\n%s", diff)
		}
	})
	if runtime.GOOS == "windows" {
		return
	}
	for name, want := range map[string]fs.FileMode{"": fs.ModeDir | 0o700, journalName: 0o600, lockName: 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%q: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

// sortMarks puts the revocations in order, which have none.
func sortMarks(text string) []string {
	lines := strings.Split(text, "\n")
	var marks, others []string
	for _, l := range lines {
		if strings.HasPrefix(l, `{"op":"revoke"`) {
			marks = append(marks, l)
		} else {
			others = append(others, l)
		}
	}
	slices.Sort(marks)
	return append(others, marks...)
}

// TestCrash cuts a journal at each byte: what was acknowledged before the cut is there, and
// what comes afterwards is kept.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	a := open(t, Options{DataDir: dir})
	type step struct {
		size  int64
		state string
	}
	steps := []step{{0, snapshot(t, a)}, {a.journal.size, snapshot(t, a)}}
	note := func() { steps = append(steps, step{a.journal.size, snapshot(t, a)}) }
	mint(t, a)
	note()
	_, made := create(t, a, Token{User: "ü", Rules: rules(t, `[]`)})
	note()
	_, key := createKey(t, a, Key{Name: "shop", Verbs: KeyAdmin})
	note()
	revoke(t, a, Revocation{User: "ü"})
	note()
	revoke(t, a, Revocation{Token: made.ID})
	note()
	revoke(t, a, Revocation{Key: key.ID})
	note()
	text := journalOf(t, dir)

	log, logged := newLog()
	for cut := range len(text) + 1 {
		want := steps[0]
		for _, s := range steps {
			if s.size <= int64(cut) {
				want = s
			}
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalName), []byte(text[:cut]), 0o600); err != nil {
			t.Fatal(err)
		}
		logged.Reset()
		b, err := Open(Options{DataDir: dir, Log: log})
		if err != nil {
			t.Fatalf("cut at byte %d: %v", cut, err)
		}
		if diff := cmp.Diff(sortMarks(want.state), sortMarks(snapshot(t, b))); diff != "" {
			t.Fatalf("cut at byte %d (-want +got):\n%s", cut, diff)
		}
		wantLog := ""
		if torn := int64(cut) - want.size; torn > 0 {
			wantLog = fmt.Sprintf("level=WARN msg=\"the last line of the file was not written to its end, as after a crash; it was not acknowledged, and is dropped\" file=%s line=%d bytes=%d\n",
				filepath.Join(dir, journalName), strings.Count(text[:cut], "\n")+1, torn)
		}
		if diff := cmp.Diff(wantLog, logged.String()); diff != "" {
			t.Fatalf("cut at byte %d, log (-want +got):\n%s", cut, diff)
		}
		if cut%7 != 0 { // or else it takes long
			shut(t, b)
			continue
		}
		token := mint(t, b)
		b = reopen(t, b)
		if got := verdict(b, token); got != "valid" {
			t.Fatalf("cut at byte %d: what came afterwards is %s", cut, got)
		}
		shut(t, b)
	}
}

// TestTornBlocks: of a long last line the end came to the disk, and not what is before it.
func TestTornBlocks(t *testing.T) {
	dir := t.TempDir()
	a := open(t, Options{DataDir: dir})
	token := mint(t, a)
	shut(t, a)
	text := journalOf(t, dir)
	torn := text + strings.Repeat("\x00", 512) + `"u1"}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, journalName), []byte(torn), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := verdict(open(t, a.options), token); got != "valid" {
		t.Error(got)
	}
	if diff := cmp.Diff(text, journalOf(t, dir)); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
}

func TestDamagedJournal(t *testing.T) {
	const (
		head  = `{"op":"boreas","version":1}` + "\n"
		token = `{"op":"token","id":"tok_0123456789abcdef","hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","created":"2026-01-01T00:00:00Z"}` + "\n"
		key   = `{"op":"key","id":"key_0123456789abcdef","hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","label":"a","verbs":["admin"]}` + "\n"
	)
	for text, want := range map[string]string{
		head + "\n" + token:                    "line 2 is damaged: unexpected end of JSON input",
		head + `{"op":"token"}` + "\n" + token: "line 2 is damaged: a token has no proper ID",
		token:                                  "line 1 is damaged: the line that says what this is, and of which version, is to be the first and only there",
		head + head:                            "line 2 is damaged: the line that says what this is, and of which version, is to be the first and only there",
		`{"op":"boreas","version":2}` + "\n":   "line 1 is damaged: it was written by a server with version 2 of this format: this one knows 1",
		head + `{"op":"dance"}` + "\n":         `line 2 is damaged: there is no operation "dance"`,
		head + token + strings.Replace(token, "012", "210", 1): "line 3 is damaged: a token has the ID or the hash of another",
		head + token + strings.Replace(token, "AAA", "BBB", 1): "line 3 is damaged: a token has the ID or the hash of another",
		head + key + key: "line 3 is damaged: a key has the ID or the hash of another",
		head + strings.Replace(key, "admin", "all", 1):                                      `line 2 is damaged: there is no verb "all" of keys: there are publish, tokens, sessions, stats, admin`,
		head + strings.Replace(key, "key_0", "tok_0", 1):                                    "line 2 is damaged: a key has no proper ID",
		head + strings.Replace(key, `["admin"]`, `[]`, 1):                                   "line 2 is damaged: the key has no verbs that there are: publish, tokens, sessions, stats, admin",
		head + strings.Replace(token, "AAAA", "", 1):                                        "line 2 is damaged: it has not the length of a hash",
		head + strings.Replace(token, "2026", "9999", 1):                                    "line 2 is damaged: the time 9999-01-01 00:00:00 +0000 UTC is out of all reason",
		head + strings.Replace(token, `"created"`, `"user":"\n","created"`, 1):              "line 2 is damaged: the user's name has a control character, U+000A, at byte 0",
		head + `{"op":"revoke"}` + "\n":                                                     "line 2 is damaged: a revocation is of nothing",
		head + `{"op":"revoke","mark":"CAAAAAAAAAAAAAAAAAAAAA"}` + "\n":                     "line 2 is damaged: there is no such kind of revocation",
		head + `{"op":"delete","id":"` + strings.Repeat("x", maxLine) + `"}` + "\n" + token: "line 2 is longer than 1048576 bytes",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, journalName)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		want = path + ": " + want + ". Nothing was changed: put a backup in its place, or correct the line"
		for range 2 { // the second finds the directory unlocked
			if _, err := Open(Options{DataDir: dir}); err == nil || err.Error() != want {
				t.Errorf("%.200q:\n got %v\nwant %s", text, err, want)
			}
		}
		if diff := cmp.Diff(text, journalOf(t, dir)); diff != "" {
			t.Errorf("it was changed (-want +got):\n%s", diff)
		}
	}
}

func TestDirectoryIsLocked(t *testing.T) {
	dir := t.TempDir()
	a := open(t, Options{DataDir: dir})
	_, err := Open(Options{DataDir: dir})
	want := "lock the directory " + dir + ": another process has it: a running server, most likely. Use that one's API, stop it first, or choose another directory with --data-dir"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	shut(t, a)
	shut(t, open(t, Options{DataDir: dir}))
}

// failing is a file on a disk that fails. It writes the first half of what it should.
type failing struct {
	file
	writeErr, syncErr, truncateErr error
}

func (f *failing) WriteAt(p []byte, at int64) (int, error) {
	if f.writeErr != nil {
		n, _ := f.file.WriteAt(p[:len(p)/2], at)
		return n, f.writeErr
	}
	return f.file.WriteAt(p, at)
}

func (f *failing) Sync() error {
	if f.syncErr != nil {
		return f.syncErr
	}
	return f.file.Sync()
}

func (f *failing) Truncate(size int64) error {
	if f.truncateErr != nil {
		return f.truncateErr
	}
	return f.file.Truncate(size)
}

// TestDiskFails: what could not be stored did not happen, and the file stays whole.
func TestDiskFails(t *testing.T) {
	full, gone := errors.New("no space left"), errors.New("input/output error")
	for name, test := range map[string]struct {
		disk  failing
		lasts bool // nothing can be written afterwards either
	}{
		"full":                    {failing{writeErr: full}, false},
		"full, and gone then":     {failing{writeErr: full, truncateErr: gone}, true},
		"gone before the sync":    {failing{syncErr: gone}, true},
		"gone with the rest, too": {failing{syncErr: gone, truncateErr: gone}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a := open(t, Options{DataDir: dir})
			text, made := create(t, a, Token{User: "u1"})
			keyText, key := createKey(t, a, Key{Name: "shop", Verbs: KeyAdmin})
			before, onDisk := snapshot(t, a), journalOf(t, dir)
			disk := test.disk
			disk.file = a.journal.file
			a.journal.file = &disk

			label := "x"
			// The first is the one of which it may not be known whether it is on disk.
			for _, op := range []struct {
				what string
				do   func() error
			}{
				{"Mint", func() error { _, err := a.Mint(""); return err }},
				{"CreateToken", func() error { _, _, err := a.CreateToken(Token{}); return err }},
				{"UpdateToken", func() error { _, _, err := a.UpdateToken(made.ID, TokenChange{Label: &label}); return err }},
				{"CreateKey", func() error { _, _, err := a.CreateKey(Key{Name: "b", Verbs: KeyStats}); return err }},
				{"delete", func() error { _, err := a.Revoke(Revocation{Token: made.ID}); return err }},
				{"revoke", func() error { _, err := a.Revoke(Revocation{User: "u1"}); return err }},
				{"revoke key", func() error { _, err := a.Revoke(Revocation{Key: key.ID}); return err }},
			} {
				if err := op.do(); err == nil || fault.Of(err) != fault.Internal || !strings.Contains(err.Error(), filepath.Join(dir, journalName)) {
					t.Errorf("%s: %v", op.what, err)
				}
			}
			if diff := cmp.Diff(before, snapshot(t, a)); diff != "" {
				t.Errorf("in memory (-before +after):\n%s", diff)
			}
			if verdict(a, text) != "valid" {
				t.Error("the token is not valid any more")
			}
			if _, err := a.CheckKey(keyText); err != nil {
				t.Errorf("the key is not valid any more: %v", err)
			}
			disk.writeErr, disk.syncErr = nil, nil
			if disk.truncateErr == nil {
				if diff := cmp.Diff(onDisk, journalOf(t, dir)); diff != "" {
					t.Errorf("on disk (-before +after):\n%s", diff)
				}
			}
			_, err := a.Mint("")
			if broken := err != nil; broken != test.lasts || (a.Ready() != nil) != test.lasts {
				t.Errorf("later: %v; ready: %v", err, a.Ready())
			}
			a.Close() //nolint:errcheck // the last use of the key cannot be stored on a broken disk
			b := open(t, Options{DataDir: dir})
			if verdict(b, text) != "valid" {
				t.Error("after a restart the token is not valid")
			}
		})
	}
}

// TestCompaction: the file does not grow with what is over.
func TestCompaction(t *testing.T) {
	log, logged := newLog()
	dir := t.TempDir()
	a := open(t, Options{DataDir: dir, Log: log})
	a.journal.rewriteAt = 100
	text, _ := create(t, a, Token{User: "u1"})
	for range 49 {
		_, made := create(t, a, Token{User: "u2"})
		revoke(t, a, Revocation{Token: made.ID})
	}
	revoke(t, a, Revocation{User: "u2"})
	if got := strings.Count(journalOf(t, dir), "\n"); got != 3 || a.journal.lines != 3 || a.journal.size != int64(len(journalOf(t, dir))) {
		t.Errorf("%d lines, said to be %d; %d bytes", got, a.journal.lines, a.journal.size)
	}
	if !strings.HasPrefix(logged.String(), `level=INFO msg="the file of tokens, keys and revocations was written anew" file=`) {
		t.Errorf("log: %s", logged)
	}
	after := mint(t, a)
	before := snapshot(t, a)
	b := reopen(t, a)
	if diff := cmp.Diff(before, snapshot(t, b)); diff != "" || verdict(b, text) != "valid" || verdict(b, after) != "valid" {
		t.Errorf("after a restart (-before +after):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(dir, newName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the other file: %v", err)
	}
}

// TestCompactionFails: then the journal goes on as it was.
func TestCompactionFails(t *testing.T) {
	log, logged := newLog()
	dir := t.TempDir()
	a := open(t, Options{DataDir: dir, Log: log})
	if err := os.Mkdir(filepath.Join(dir, newName), 0o700); err != nil {
		t.Fatal(err)
	}
	a.journal.rewriteAt = 3
	var tokens []string
	for range 5 {
		tokens = append(tokens, mint(t, a))
	}
	if got := strings.Count(logged.String(), "level=ERROR msg=\"writing the file of tokens, keys and revocations anew failed: it grows on\""); got != 1 {
		t.Errorf("log:\n%s", logged)
	}
	b := reopen(t, a)
	for _, token := range tokens {
		if got := verdict(b, token); got != "valid" {
			t.Error(got)
		}
	}
}

func TestJournalAtOnce(t *testing.T) {
	a := open(t, Options{DataDir: t.TempDir()})
	a.journal.rewriteAt = 50
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for range 20 {
				text, made, err := a.CreateToken(Token{User: fmt.Sprint("u", i)})
				if err != nil || verdict(a, text) != "valid" {
					t.Error(err)
				}
				if _, err := a.Revoke(Revocation{Token: made.ID}); err != nil || verdict(a, text) != "invalid_token" {
					t.Error(err)
				}
				keyText, key, err := a.CreateKey(Key{Name: text, Verbs: KeyStats})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := a.CheckKey(keyText); err != nil {
					t.Error(err)
				}
				if _, err := a.Revoke(Revocation{Key: key.ID}); err != nil {
					t.Error(err)
				}
				a.Keys()
			}
		})
	}
	wait.Wait()
	before := snapshot(t, a)
	if diff := cmp.Diff(sortMarks(before), sortMarks(snapshot(t, reopen(t, a)))); diff != "" {
		t.Errorf("after a restart (-before +after):\n%s", diff)
	}
}

func TestClosed(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		a := open(t, Options{DataDir: dir})
		shut(t, a)
		shut(t, a)
		_, err := a.Mint("")
		if want := "the server's tokens, keys and revocations are closed: it is shutting down"; err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

// FuzzJournal: whatever is in the file, there is an error or a state that is the same when
// it is read again.
func FuzzJournal(f *testing.F) {
	a := open(f, Options{})
	mint(f, a)
	_, made := create(f, a, Token{User: "u1", Rules: rules(f, `[{"channels":["a"],"allow":["join"]}]`), Expires: time.Now().Add(time.Hour)})
	createKey(f, a, Key{Name: "shop", Verbs: KeyAdmin, Channels: []string{"a.*"}})
	revoke(f, a, Revocation{User: "u1"})
	f.Add(snapshot(f, a))
	f.Add(snapshot(f, a) + `{"op":"delete","id":"` + made.ID + `"}` + "\n" + `{"op":"used","id":"key_`)
	f.Add("{}\n\x00\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := newState()
		lines, size, torn, err := load(strings.NewReader(text), s)
		if err != nil {
			return
		}
		if size+torn != int64(len(text)) || strings.Count(text[:size], "\n") != lines {
			t.Fatalf("%d lines in %d bytes and %d torn ones of %d", lines, size, torn, len(text))
		}
		if lines == 0 {
			return
		}
		first := snapshot(t, &Authority{state: s})
		again := newState()
		if _, _, _, err := load(strings.NewReader(first), again); err != nil {
			t.Fatalf("%v\n%s", err, first)
		}
		if diff := cmp.Diff(sortMarks(first), sortMarks(snapshot(t, &Authority{state: again}))); diff != "" {
			t.Errorf("the second time (-first +second):\n%s", diff)
		}
	})
}
