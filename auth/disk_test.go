package auth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

// failing is a file on a disk that fails. Its writes only write the first half.
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

// A diskRig is an authority on a disk that can be made to fail.
type diskRig struct {
	*Authority
	disk *failing
	dir  string

	classic, text string // tokens
	made          Token  // of text
	keyText       string
	key           Key
}

func newDiskRig(t *testing.T) *diskRig {
	t.Helper()
	r := &diskRig{dir: t.TempDir()}
	a, err := Open(Options{DataDir: r.dir})
	if err != nil {
		t.Fatal(err)
	}
	r.Authority = a
	r.classic = mint(t, a)
	r.text, r.made = create(t, a, Token{User: "u1"})
	r.keyText, r.key = createKey(t, a, Key{Name: "shop", Verbs: KeyAdmin})
	r.disk = &failing{file: journalIn(a).file}
	journalIn(a).file = r.disk
	return r
}

// full makes every write fail with the error, or succeed again if it is nil.
func (r *diskRig) full(err error) {
	r.writing.Lock() // against the retries
	defer r.writing.Unlock()
	r.disk.writeErr = err
}

// TestDiskFails: a change that could not be stored has no effect, and the file stays intact.
func TestDiskFails(t *testing.T) {
	full, gone := fmt.Errorf("write: %w", syscall.ENOSPC), errors.New("input/output error")
	for name, test := range map[string]struct {
		disk  failing
		lasts bool // later writes fail as well
	}{
		"full":                    {failing{writeErr: full}, false},
		"full, and gone then":     {failing{writeErr: full, truncateErr: gone}, true},
		"gone before the sync":    {failing{syncErr: gone}, true},
		"gone with the rest, too": {failing{syncErr: gone, truncateErr: gone}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newDiskRig(t)
			before, onDisk := snapshot(t, r.Authority), journalOf(t, r.dir)
			r.disk.writeErr, r.disk.syncErr, r.disk.truncateErr = test.disk.writeErr, test.disk.syncErr, test.disk.truncateErr
			label := "x"
			// For the first change it may be unknown whether it is on disk.
			for _, op := range []struct {
				what string
				do   func() error
			}{
				{"Mint", func() error { _, err := r.Mint(""); return err }},
				{"CreateToken", func() error { _, _, err := r.CreateToken(Token{}); return err }},
				{"UpdateToken", func() error { _, _, err := r.UpdateToken(r.made.ID, TokenChange{Label: &label}); return err }},
				{"CreateKey", func() error { _, _, err := r.CreateKey(Key{Name: "b", Verbs: KeyStats}); return err }},
			} {
				if err := op.do(); fault.Of(err) != fault.NotStored || !strings.Contains(err.Error(), "Nothing was changed") || strings.Contains(err.Error(), r.dir) {
					t.Errorf("%s: %v", op.what, err)
				}
			}
			if _, _, err := r.CreateKey(Key{Name: "c", Verbs: KeyStats}); test.disk.writeErr != nil && !test.lasts && !strings.Contains(err.Error(), "no space left on device") {
				t.Errorf("the error does not contain the cause: %v", err)
			}
			if diff := cmp.Diff(before, snapshot(t, r.Authority)); diff != "" {
				t.Errorf("in memory (-before +after):\n%s", diff)
			}
			if ready := r.Ready(); (ready != nil) != test.lasts {
				t.Errorf("ready: %v", ready)
			}
			r.disk.writeErr, r.disk.syncErr = nil, nil
			if r.disk.truncateErr == nil {
				if diff := cmp.Diff(onDisk, journalOf(t, r.dir)); diff != "" {
					t.Errorf("on disk (-before +after):\n%s", diff)
				}
			}
			_, err := r.Mint("")
			if broken := err != nil; broken != test.lasts || (r.Ready() != nil) != test.lasts {
				t.Errorf("later: %v; ready: %v", err, r.Ready())
			}
			r.Close() //nolint:errcheck // the last use of the key cannot be stored on a broken disk
			b := open(t, Options{DataDir: r.dir})
			if verdict(b, r.text) != "valid" {
				t.Error("after a restart the token is not valid")
			}
		})
	}
}

// revocations lists all kinds of revocations, each with the tokens and keys that it makes
// invalid.
func (r *diskRig) revocations() map[string]Revocation {
	return map[string]Revocation{
		"classic": {Token: r.classic}, "opaque": {Token: r.made.ID}, "user": {User: "u1"}, "all": {IssuedBefore: time.Now()}, "key": {Key: r.key.ID},
	}
}

func (r *diskRig) inForce(a *Authority, what string) bool {
	switch what {
	case "classic":
		return verdict(a, r.classic) != "valid"
	case "key":
		_, err := a.CheckKey(r.keyText)
		return err != nil
	default:
		return verdict(a, r.text) != "valid"
	}
}

// TestRevokedOnAFullDisk: a revocation that cannot be stored is still in force. The caller
// receives an error, can repeat it, and the authority retries storing it.
func TestRevokedOnAFullDisk(t *testing.T) {
	for what := range new(diskRig).revocations() {
		for _, again := range []string{"repeated", "stored with the next change", "stored by itself", "stored at the end", "never stored"} {
			t.Run(what+", "+again, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newDiskRig(t)
					grant := grant(t, r.Authority, r.text)
					v := r.revocations()[what]
					r.full(syscall.ENOSPC)
					for range 2 { // a client repeats it
						match, err := r.Revoke(v)
						if fault.Of(err) != fault.NotStored || match == nil || !strings.Contains(err.Error(), "no space left on device") || !strings.Contains(err.Error(), "in force") {
							t.Fatalf("match %v, %v", match != nil, err)
						}
						if match(grant) != (what == "opaque" || what == "user" || what == "all") {
							t.Error("the revocation matches other sessions")
						}
					}
					if !r.inForce(r.Authority, what) {
						t.Error("the revocation is not in force")
					}
					if err := r.Ready(); err == nil || !strings.Contains(err.Error(), "1 revocations are in force but not stored") {
						t.Errorf("ready: %v", err)
					}
					time.Sleep(3 * unstoredAgain)
					synctest.Wait()
					if r.Ready() == nil {
						t.Error("Ready returns nil")
					}
					if again != "never stored" {
						r.full(nil)
					}
					switch again {
					case "repeated":
						if _, err := r.Revoke(v); err != nil {
							t.Error(err)
						}
					case "stored with the next change":
						mint(t, r.Authority)
					case "stored by itself":
						time.Sleep(unstoredAgain)
						synctest.Wait()
					}
					if err := r.Ready(); (err == nil) == (again == "stored at the end" || again == "never stored") {
						t.Errorf("ready: %v", err)
					}
					if err := r.Close(); (err != nil) != (again == "never stored") {
						t.Errorf("close: %v", err)
					}
					b := open(t, Options{DataDir: r.dir})
					if r.inForce(b, what) == (again == "never stored") {
						t.Errorf("after a restart: in force %v", r.inForce(b, what))
					}
				})
			})
		}
	}
}

// TestFileDeleted: the file is rewritten if it was deleted, and a file that replaced it is not
// written to.
func TestFileDeleted(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, journalName)
	a := open(t, Options{DataDir: dir})
	first := mint(t, a)
	for _, name := range []string{journalName, lockName} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Skip(err) // Windows
		}
	}
	if _, err := Open(Options{DataDir: dir}); !errors.Is(err, errLocked) {
		t.Errorf("a second server: %v", err)
	}
	second := mint(t, a)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(sealed(`{"op":"boreas","version":2,"lines":1}`+"\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Mint(""); fault.Of(err) != fault.NotStored {
		t.Errorf("a write to a file that was replaced: %v", err)
	}
	if err := os.Rename(path+".old", path); err != nil {
		t.Fatal(err)
	}
	third := mint(t, a)
	b := reopen(t, a)
	for _, token := range []string{first, second, third} {
		if got := verdict(b, token); got != "valid" {
			t.Errorf("after a restart: %s", got)
		}
	}
}
