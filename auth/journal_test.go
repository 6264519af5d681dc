package auth

import (
	"encoding/json"
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

	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// snapshot returns the whole state of an authority in the form of a journal without checksums.
func snapshot(t testing.TB, a *Authority) string {
	t.Helper()
	var text []byte
	err := a.state.lines(func(l *line) error {
		object, err := json.Marshal(l)
		text = append(append(text, object...), '\n')
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sealed adds checksums to lines of JSON.
func sealed(text string) string {
	var c chain
	var out []byte
	for object := range strings.Lines(text) {
		out = c.seal(out, []byte(strings.TrimSuffix(object, "\n")))
	}
	return string(out)
}

// unsealed removes the checksums from a journal, and fails if one is wrong.
func unsealed(t testing.TB, text string) string {
	t.Helper()
	var c chain
	var out []byte
	for line := range strings.Lines(text) {
		object, ok := c.open([]byte(line))
		if !ok {
			t.Fatalf("the checksum is wrong: %s", line)
		}
		out = append(append(out, object...), '\n')
	}
	return string(out)
}

// TestJournalText checks the exact text of the file, because later servers must be able to read it.
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

		got := unsealed(t, journalOf(t, dir))
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
			`{"op":"boreas","version":2,"lines":4}`, // a key is created, and the file is rewritten
			`{"op":"token","id":"tok_CLASSIC","hash":"HASH","classic":true,"created":"2000-01-01T00:00:00Z","serial":1}`,
			`{"op":"token","id":"tok_OPAQUE","hash":"HASH","user":"u1","label":"tablet","created":"2000-01-01T00:00:00Z","expires":"2000-01-01T01:00:00Z","rules":[{"channels":["a","b.*"],"allow":["join"]}],"key":"key_1","serial":2}`,
			`{"op":"key","id":"key_KEY","hash":"HASH","label":"shop","verbs":["publish","stats"],"channels":["x.*"],"created":"2000-01-01T00:00:00Z"}`,
			`{"op":"used","id":"key_KEY","used":"2000-01-01T00:00:00Z"}`,
			`{"op":"revoke","id":"tok_PROVIDED","mark":"MARK"}`,
			`{"op":"delete","id":"tok_OPAQUE"}`,
			`{"op":"revoke","mark":"MARK","before":"2000-01-01T00:00:00Z","serial":4}`,
			`{"op":"revoke","id":"key_KEY","mark":"MARK"}`, // without an end: the key is never valid again
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

// sortMarks sorts the lines of revocations, which have no order.
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

// TestCrash cuts a journal at each byte. Changes that were acknowledged before the cut are there, and
// later changes are stored.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	a := open(t, Options{DataDir: dir})
	type step struct {
		size  int64
		state string
	}
	mint(t, a)
	createKey(t, a, Key{Name: "first", Verbs: KeyAdmin}) // the lines until now were written at once
	whole := int(journalIn(a).size)
	a = reopen(t, a)
	var steps []step
	note := func() { steps = append(steps, step{journalIn(a).size, snapshot(t, a)}) }
	note()
	mint(t, a)
	note()
	_, made := create(t, a, Token{User: "ü", Rules: rules(t, `[]`)})
	note()
	revoke(t, a, Revocation{User: "ü"})
	note()
	revoke(t, a, Revocation{Token: made.ID})
	note()
	revoke(t, a, Revocation{Key: a.Keys()[0].ID})
	note()
	text := journalOf(t, dir)

	log, logged := testlog.New()
	for cut := whole; cut <= len(text); cut++ {
		want := steps[0]
		for _, s := range steps {
			if s.size <= int64(cut)+1 { // a line that lacks only its newline is complete
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
			wantLog = fmt.Sprintf("level=WARN msg=\"the last line of the file is incomplete, as after a crash; it was never acknowledged, and the server drops it\" file=%s line=%d bytes=%d\n",
				filepath.Join(dir, journalName), strings.Count(text[:cut], "\n")+1, torn)
		}
		if diff := cmp.Diff(wantLog, logged.String()); diff != "" {
			t.Fatalf("cut at byte %d, log (-want +got):\n%s", cut, diff)
		}
		if cut%7 != 0 { // for each byte it would take too long
			shut(t, b)
			continue
		}
		token := mint(t, b)
		b = reopen(t, b)
		if got := verdict(b, token); got != "valid" {
			t.Fatalf("cut at byte %d: a later token is %s", cut, got)
		}
		shut(t, b)
	}
}

func TestDirectoryIsLocked(t *testing.T) {
	dir := t.TempDir()
	a := open(t, Options{DataDir: dir})
	_, err := Open(Options{DataDir: dir})
	want := "lock the directory " + dir + ": another process uses it, probably a running server. Use the API of that server, stop it first, or choose another directory with --data-dir"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	shut(t, a)
	shut(t, open(t, Options{DataDir: dir}))
}

// TestCompaction: the file does not grow because of obsolete lines.
func TestCompaction(t *testing.T) {
	log, logged := testlog.New()
	dir := t.TempDir()
	a := open(t, Options{DataDir: dir, Log: log})
	journalIn(a).rewriteAt = 100
	text, _ := create(t, a, Token{User: "u1"})
	for range 49 {
		_, made := create(t, a, Token{User: "u2"})
		revoke(t, a, Revocation{Token: made.ID})
	}
	revoke(t, a, Revocation{User: "u2"})
	if got := strings.Count(journalOf(t, dir), "\n"); got != 3 || journalIn(a).lines != 3 || journalIn(a).size != int64(len(journalOf(t, dir))) {
		t.Errorf("%d lines, counted as %d; %d bytes", got, journalIn(a).lines, journalIn(a).size)
	}
	if !strings.HasPrefix(logged.String(), `level=INFO msg="the file of tokens, keys and revocations was rewritten" file=`) {
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

// TestCompactionFails: the old journal then stays in use.
func TestCompactionFails(t *testing.T) {
	log, logged := testlog.New()
	dir := t.TempDir()
	a := open(t, Options{DataDir: dir, Log: log})
	if err := os.Mkdir(filepath.Join(dir, newName), 0o700); err != nil {
		t.Fatal(err)
	}
	journalIn(a).rewriteAt = 3
	var tokens []string
	for range 5 {
		tokens = append(tokens, mint(t, a))
	}
	if got := strings.Count(logged.String(), "level=ERROR msg=\"rewriting the file of tokens, keys and revocations failed: the file continues to grow\""); got != 1 {
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
	journalIn(a).rewriteAt = 50
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
		if want := "the store of tokens, keys and revocations is closed: the server is shutting down"; err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

// FuzzJournal: for any file there is an error, or a state that is the same after it has been written
// and read again.
func FuzzJournal(f *testing.F) {
	a := open(f, Options{})
	mint(f, a)
	_, made := create(f, a, Token{User: "u1", Rules: rules(f, `[{"channels":["a"],"allow":["join"]}]`), Expires: time.Now().Add(time.Hour)})
	createKey(f, a, Key{Name: "shop", Verbs: KeyAdmin, Channels: []string{"a.*"}})
	revoke(f, a, Revocation{User: "u1"})
	_, rest, _ := strings.Cut(snapshot(f, a), "\n")
	f.Add(sealed(snapshot(f, a)))
	f.Add(head1 + rest)
	f.Add(head1 + rest + `{"op":"delete","id":"` + made.ID + `"}` + "\n" + `{"op":"used","id":"key_`)
	f.Add(head1 + "{}\n\x00\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := newState()
		got, err := load(strings.NewReader(text), s.applyText)
		if err != nil {
			return
		}
		ends := strings.Count(text[:got.size], "\n")
		if got.bare {
			ends++
		}
		if got.size+got.torn != int64(len(text)) || ends != got.lines || got.lines == 0 {
			t.Fatalf("%+v of %d bytes", got, len(text))
		}
		first := snapshot(t, &Authority{state: s})
		again := newState()
		if _, err := load(strings.NewReader(sealed(first)), again.applyText); err != nil {
			t.Fatalf("%v\n%s", err, first)
		}
		if diff := cmp.Diff(sortMarks(first), sortMarks(snapshot(t, &Authority{state: again}))); diff != "" {
			t.Errorf("after it was written and read again (-first +second):\n%s", diff)
		}
	})
}
