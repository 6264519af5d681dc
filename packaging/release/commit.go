package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// check checks the version and the tree, and reads the commit.
func (r *release) check(ctx context.Context) error {
	v := "v" + r.version
	switch {
	case r.version == "":
		return errors.New("give the version: make release VERSION=2.0.0")
	case semver.Canonical(v) != v: // also refuses build metadata, which no tag of a Go module has
		return fmt.Errorf("the version %q is not a semantic version: give three numbers, such as 2.0.0, or a pre-release, such as 2.0.0-rc.1", r.version)
	}
	changed, err := r.output(ctx, nil, "git", "status", "--porcelain", "--untracked-files=all")
	if err != nil {
		return err
	}
	if changed != "" {
		return fmt.Errorf("the tree differs from its commit: commit, stash or remove these files:\n%s", changed)
	}
	head, err := r.output(ctx, nil, "git", "log", "-1", "--format=%H %ct")
	if err != nil {
		return err
	}
	commit, seconds, _ := strings.Cut(strings.TrimSpace(head), " ")
	r.commit = commit
	if given := os.Getenv("SOURCE_DATE_EPOCH"); given != "" {
		seconds = given
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("SOURCE_DATE_EPOCH is %q: give the seconds since 1970, or unset it", seconds)
	}
	r.time = time.Unix(n, 0).UTC()
	_, err = r.section()
	return err
}

// section returns the text of the version's section in CHANGELOG.md. A pre-release may lack one: its
// changes are those of the section Unreleased.
func (r *release) section() (string, error) {
	text, err := os.ReadFile(filepath.Join(r.tree, "CHANGELOG.md"))
	if err != nil {
		return "", err
	}
	if found, ok := sectionOf(string(text), r.version); ok {
		return found, nil
	}
	if semver.Prerelease("v"+r.version) != "" {
		if found, ok := sectionOf(string(text), "Unreleased"); ok {
			return found, nil
		}
	}
	return "", fmt.Errorf("CHANGELOG.md has no section for %s: rename its section [Unreleased] to [%s] with the date, and commit it", r.version, r.version)
}

// sectionOf returns the text below the heading "## [name]", up to the next such heading.
func sectionOf(changelog, name string) (string, bool) {
	var b strings.Builder
	inside := false
	for line := range strings.Lines(changelog) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			if inside {
				break
			}
			inside = strings.HasPrefix(heading, "["+name+"]")
			continue
		}
		if inside {
			b.WriteString(line)
		}
	}
	text := strings.TrimSpace(b.String())
	return text, text != ""
}

// notes writes the release notes.
func notes(_ context.Context, r *release) error {
	text, err := r.section()
	if err != nil {
		return err
	}
	// The links of the changelog are relative to the repository.
	text = strings.ReplaceAll(text, "](docs/", "](https://github.com/boreas-pubsub/boreas/blob/v"+r.version+"/docs/")
	for _, folder := range []string{"js", "clients", "bench", "examples"} {
		text = strings.ReplaceAll(text, "]("+folder+"/", "](https://github.com/boreas-pubsub/boreas/blob/v"+r.version+"/"+folder+"/")
	}
	text = fmt.Sprintf("# Boreas %s\n\n%s\n\nCommit %s.\n", r.version, text, r.commit)
	return os.WriteFile(filepath.Join(r.dist, "release-notes.md"), []byte(text), 0o644)
}

// output runs a command in the tree and returns its standard output.
func (r *release) output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = r.tree
	cmd.Env = append(os.Environ(), env...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, out.Bytes(), problem.Bytes())
	}
	return out.String(), nil
}

// epoch is the environment variable with the time of the release, for other programs.
func (r *release) epoch() string { return fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.time.Unix()) }
