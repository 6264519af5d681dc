package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const changelog = `# Changelog

## [Unreleased]

New things.

## [2.0.0] - 2027-01-31

### Added

- [A page](docs/a.md) and [a client](js/README.md).

## [1.0.0] - 2013-01-01

Old things.
`

// clone returns a repository with one commit.
func clone(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"CHANGELOG.md": changelog, "Makefile": "TARGETS    = linux/amd64 linux/arm windows/amd64\n", ".gitignore": "/dist/\n",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	git(t, dir, "init", "-q")
	git(t, dir, "add", "-A")
	git(t, dir, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-q", "-m", "test")
	return dir
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE=@1793600000 +0000", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestVersions(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "")
	dir := clone(t)
	for version, want := range map[string]string{
		"2.0.0":       "",
		"2.1.0-rc.1":  "",
		"":            "give the version",
		"v2.0.0":      "not a semantic version",
		"2.0":         "not a semantic version",
		"2.0.0+linux": "not a semantic version",
		"2.00.0":      "not a semantic version",
		"2.1.0":       "CHANGELOG.md has no section for 2.1.0",
	} {
		err := (&release{version: version, tree: dir}).check(t.Context())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("version %q: %v, want %q", version, err, want)
		}
	}
}

func TestTimeIsThatOfTheCommit(t *testing.T) {
	dir := clone(t)
	for given, want := range map[string]int64{"": 1793600000, "5": 5} {
		t.Setenv("SOURCE_DATE_EPOCH", given)
		r := &release{version: "2.0.0", tree: dir}
		if err := r.check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.time.Unix() != want || r.commit != strings.TrimSpace(git(t, dir, "rev-parse", "HEAD")) {
			t.Errorf("SOURCE_DATE_EPOCH=%q: time %v, commit %s", given, r.time, r.commit)
		}
	}
	t.Setenv("SOURCE_DATE_EPOCH", "today")
	if err := (&release{version: "2.0.0", tree: dir}).check(t.Context()); err == nil || !strings.Contains(err.Error(), `"today"`) {
		t.Error(err)
	}
}

func TestDirtyTreeIsRefused(t *testing.T) {
	dir := clone(t)
	if err := os.Mkdir(filepath.Join(dir, "dist"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "dist", "ignored"), "")
	write(t, filepath.Join(dir, "Makefile"), "TARGETS = linux/amd64\n")
	write(t, filepath.Join(dir, "new"), "")
	err := run(t.Context(), []string{"-version=2.0.0", "-tree=" + dir, "-dist=" + t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), " M Makefile\n") || !strings.Contains(err.Error(), "?? new\n") || strings.Contains(err.Error(), "ignored") {
		t.Error(err)
	}
}

func TestFullFolderIsRefused(t *testing.T) {
	dist := t.TempDir()
	write(t, filepath.Join(dist, "old"), "")
	err := run(t.Context(), []string{"-version=2.0.0", "-tree=" + clone(t), "-dist=" + dist})
	if err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Error(err)
	}
}

// TestRefusedReleaseRemovesNothing: a mistake in the version leaves the files of an earlier release.
func TestRefusedReleaseRemovesNothing(t *testing.T) {
	dist := t.TempDir()
	write(t, filepath.Join(dist, "earlier"), "")
	err := run(t.Context(), []string{"-tree", clone(t), "-dist", dist, "-replace", "-version", "2.0"})
	if err == nil || !strings.Contains(err.Error(), "not a semantic version") {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dist, "earlier")); err != nil {
		t.Error(err)
	}
}

func TestTargets(t *testing.T) {
	dir := clone(t)
	all, err := makefileTargets(dir, "")
	if err != nil || len(all) != 3 || all[1].name() != "linux_armv7" || all[2].program() != "boreas.exe" {
		t.Errorf("%v, %v", all, err)
	}
	one, err := makefileTargets(dir, "linux/arm")
	if err != nil || len(one) != 1 || one[0] != all[1] {
		t.Errorf("%v, %v", one, err)
	}
	if _, err := makefileTargets(dir, "plan9/amd64"); err == nil {
		t.Error("an unknown target was accepted")
	}
}

func TestNotes(t *testing.T) {
	r := &release{version: "2.0.0", tree: clone(t), dist: t.TempDir(), commit: "c0ffee"}
	if err := notes(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(r.dist, "release-notes.md"))
	const page = "https://github.com/boreas-pubsub/boreas/blob/v2.0.0/"
	want := "# Boreas 2.0.0\n\n### Added\n\n- [A page](" + page + "docs/a.md) and [a client](" + page + "js/README.md).\n\nCommit c0ffee.\n"
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}

// TestArchivesHideTheBuilder writes an archive of files with different modes and times.
func TestArchivesHideTheBuilder(t *testing.T) {
	at := time.Unix(1793600000, 0).UTC()
	var first []byte
	for _, mode := range []os.FileMode{0o600, 0o777} {
		dir := t.TempDir()
		list := []entry{{"x/b/program", filepath.Join(dir, "program"), true}, {"x/a", filepath.Join(dir, "a"), false}}
		for _, e := range list {
			write(t, e.source, e.name)
			if err := errors.Join(os.Chmod(e.source, mode), os.Chtimes(e.source, time.Now(), time.Now())); err != nil {
				t.Fatal(err)
			}
		}
		var tarred, zipped bytes.Buffer
		if err := errors.Join(writeTar(&tarred, list, at), writeZip(&zipped, list, at)); err != nil {
			t.Fatal(err)
		}
		both := append(tarred.Bytes(), zipped.Bytes()...)
		if first == nil {
			first = both
		} else if !bytes.Equal(first, both) {
			t.Error("the archives differ")
		}
		unzipped, err := gzip.NewReader(&tarred)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for archive := tar.NewReader(unzipped); ; {
			head, err := archive.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, head.Name)
			if executable := head.Name != "x/a"; head.Uname != "root" || head.Uid != 0 || !head.ModTime.Equal(at) || (head.Mode == 0o755) != executable {
				t.Errorf("%+v", head)
			}
		}
		if got := strings.Join(names, " "); got != "x/ x/a x/b/ x/b/program" {
			t.Errorf("the entries are %s", got)
		}
	}
}

func TestSums(t *testing.T) {
	r := &release{dist: t.TempDir()}
	write(t, filepath.Join(r.dist, "b"), "b")
	write(t, filepath.Join(r.dist, "a"), "")
	if err := sums(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(r.dist, "SHA256SUMS"))
	const want = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n" +
		"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b\n"
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	if err := os.Mkdir(filepath.Join(r.dist, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if sums(t.Context(), r) == nil {
		t.Error("a folder has no digest, and no error was returned")
	}
}

func TestTogetherReturnsAllErrors(t *testing.T) {
	a, b := errors.New("a"), errors.New("b")
	var jobs []func() error
	for i := range 20 {
		jobs = append(jobs, func() error { return map[int]error{3: a, 17: b}[i] })
	}
	if err := together(jobs); !errors.Is(err, a) || !errors.Is(err, b) {
		t.Error(err)
	}
}
