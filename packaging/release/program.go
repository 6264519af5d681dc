package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// A target is a system and a processor for which a release has a program.
type target struct{ system, arch string }

// name is the target's name in the names of files.
func (t target) name() string {
	if t.arch == "arm" {
		return t.system + "_armv7"
	}
	return t.system + "_" + t.arch
}

// program returns the name of the program's file.
func (t target) program() string {
	if t.system == "windows" {
		return "boreas.exe"
	}
	return "boreas"
}

// path returns where the program for t is built.
func (r *release) path(t target) string {
	return filepath.Join(r.work, "programs", t.name(), t.program())
}

// makefileTargets returns the targets in the Makefile, which other checks use too. If only is not
// empty, it names those of them that are wanted.
func makefileTargets(tree, only string) ([]target, error) {
	text, err := os.ReadFile(filepath.Join(tree, "Makefile"))
	if err != nil {
		return nil, err
	}
	found := regexp.MustCompile(`(?m)^TARGETS\s*=\s*(.+)$`).FindSubmatch(text)
	if found == nil {
		return nil, errors.New("the Makefile has no line TARGETS = ...")
	}
	all := strings.Fields(string(found[1]))
	wanted := all
	if only != "" {
		wanted = strings.Split(only, ",")
	}
	var list []target
	for _, t := range wanted {
		system, arch, ok := strings.Cut(t, "/")
		if !ok || !slices.Contains(all, t) {
			return nil, fmt.Errorf("%q is not a target: the Makefile has %s", t, strings.Join(all, ", "))
		}
		list = append(list, target{system, arch})
	}
	return list, nil
}

// programs builds the program for each target.
func programs(ctx context.Context, r *release) error {
	for _, t := range r.targets {
		if err := r.build(ctx, t, r.path(t)); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) build(ctx context.Context, t target, file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	_, err := r.output(ctx, []string{"VERSION=v" + r.version, "TAGS=" + r.tags, "GOFLAGS="},
		filepath.Join(r.tree, "scripts", "program.sh"), t.system+"/"+t.arch, file)
	return err
}

// shells are the completion scripts: the shell's name for `boreas completion`, and the file.
var shells = []struct{ shell, file string }{
	{"bash", "boreas.bash"},
	{"fish", "boreas.fish"},
	{"pwsh", "boreas.ps1"},
	{"zsh", "_boreas"},
}

// documents lets the program write its manual page, completion scripts and licences.
func documents(ctx context.Context, r *release) error {
	host := target{runtime.GOOS, runtime.GOARCH}
	if _, err := os.Stat(r.path(host)); err != nil {
		if err := r.build(ctx, host, r.path(host)); err != nil {
			return err
		}
	}
	write := func(file string, args ...string) error {
		text, err := r.output(ctx, nil, r.path(host), args...)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(r.document(file)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(r.document(file), []byte(text), 0o644)
	}
	for _, s := range shells {
		if err := write(s.file, "completion", s.shell); err != nil {
			return err
		}
	}
	if err := write("licenses.txt", "licenses"); err != nil {
		return err
	}
	return write("boreas.1", "manual", "--date="+r.time.Format("2006-01-02"))
}

// document returns the path of a file that documents wrote.
func (r *release) document(name string) string { return filepath.Join(r.work, "documents", name) }
