package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write notices/notices.txt.gz anew")

// noticeFile matches the names of files that a licence requires us to distribute.
var noticeFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|copyright|notice|patents)([.-].*)?$`)

// TestNotices compares the notices in the program with those of the modules that the toolchain
// links, for each supported system.
func TestNotices(t *testing.T) {
	want := linkedNotices(t)
	const file = "notices/notices.txt.gz"
	if *update {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		z.Write([]byte(want))
		z.Close()
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		notices = b.String()
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"boreas", "licenses"}, nil, nil, &out, &out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if text != want {
		t.Errorf("%s does not match the licences of the linked modules: run `go test ./cmd/boreas -run TestNotices -update`", file)
	}
	for _, part := range []string{"The Go standard library", "Copyright 2009 The Go Authors", "github.com/urfave/cli/v3", "github.com/prometheus/client_golang"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing", part)
		}
	}
}

// linkedNotices returns the notices of Boreas, Go and all linked modules. A text that several
// modules share appears once.
func linkedNotices(t *testing.T) string {
	t.Helper()
	type module struct{ name, root string }
	files := map[string]module{} // by path
	linked := map[string]bool{}  // modules, by name
	add := func(m module, dir string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if !entry.IsDir() && noticeFile.MatchString(entry.Name()) && !strings.HasSuffix(entry.Name(), ".go") {
				files[filepath.Join(dir, entry.Name())] = m
			}
		}
	}
	add(module{"Boreas", "../.."}, "../..")
	goroot := strings.TrimSpace(output(t, nil, "go", "env", "GOROOT"))
	add(module{"The Go standard library and runtime", goroot}, goroot)
	add(module{"preact, in the operator's page", "../../ui/preact"}, "../../ui/preact")
	flags := strings.ReplaceAll(os.Getenv("GOFLAGS"), "-race", "") // `make test` has it, the product has not
	for _, system := range targets(t) {
		os, arch, _ := strings.Cut(system, "/")
		list := output(t, []string{"GOOS=" + os, "GOARCH=" + arch, "CGO_ENABLED=0", "GOFLAGS=" + flags},
			"go", "list", "-deps", "-f", "{{if .Module}}{{if not .Module.Main}}{{.Module.Path}}\t{{.Module.Dir}}\t{{.Dir}}{{end}}{{end}}", ".")
		for line := range strings.Lines(list) {
			fields := strings.Split(strings.TrimSpace(line), "\t")
			if len(fields) != 3 {
				continue
			}
			m := module{fields[0], fields[1]}
			linked[m.name] = true
			for dir := fields[2]; strings.HasPrefix(dir, m.root); dir = filepath.Dir(dir) { // a package may have its own licence
				add(m, dir)
			}
		}
	}
	users := map[string][]string{} // by text
	with := map[string]bool{}
	for path, m := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(m.root, path)
		body := strings.Trim(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
		users[body] = append(users[body], m.name+", "+filepath.ToSlash(name))
		with[m.name] = true
	}
	for name := range linked {
		if !with[name] {
			t.Errorf("%s has no licence that could be found", name)
		}
	}
	for _, names := range users {
		slices.SortFunc(names, byName)
	}
	texts := slices.SortedFunc(maps.Keys(users), func(a, b string) int { return byName(users[a][0], users[b][0]) })
	var b strings.Builder
	b.WriteString("The program boreas consists of Boreas and the libraries that are named here. Each text stands below those that it is for.\n")
	for _, text := range texts {
		fmt.Fprintf(&b, "\n%s\n", strings.Repeat("=", 80))
		for _, name := range users[text] {
			fmt.Fprintln(&b, name)
		}
		fmt.Fprintf(&b, "%s\n\n%s\n", strings.Repeat("=", 80), text)
	}
	return b.String()
}

// byName puts Boreas first, then Go, then the others by name.
func byName(a, b string) int {
	rank := func(name string) int {
		switch {
		case strings.HasPrefix(name, "Boreas,"):
			return 0
		case strings.HasPrefix(name, "The Go"):
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
}

// targets returns the supported systems, from the Makefile.
func targets(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^TARGETS\s*=\s*(.+)$`).FindSubmatch(text)
	if found == nil {
		t.Fatal("the Makefile has no TARGETS")
	}
	return strings.Fields(string(found[1]))
}

func output(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	return string(out)
}
