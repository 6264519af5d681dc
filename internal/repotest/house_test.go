package repotest

import (
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// This file checks the layout: the imports that a package may have, the names that it must not
// have, and the length of files.

const (
	modulePath   = "github.com/boreas-pubsub/boreas/v2"
	maxFileLines = 500
)

// mayImport lists the packages of this module that each one may import, outside of its tests. "."
// is the root. Imports point down: a package stands below those that it imports. Packages below an
// entry with a final slash share its rule.
var mayImport = map[string][]string{
	"internal/clock":          {}, // which all may import
	"internal/wire":           {},
	"internal/deflate":        {},
	"engine":                  {},
	"access":                  {"internal/peer"},
	"internal/listing":        {},
	"internal/channellog":     {"engine", "internal/listing"},
	"engine/memory":           {"engine", "internal/channellog"},
	"engine/disk":             {"internal/dirlock", "engine", "internal/channellog"},
	"engine/cluster/natsconn": {},
	"engine/cluster":          {"engine", "internal/channellog", "engine/cluster/natsconn"},
	"engine/cluster/embed":    {"internal/dirlock"},
	"internal/nodes":          {"engine/cluster/natsconn", "internal/panics"},
	"internal/roster":         {".", "internal/nodes"},
	"internal/netpoll":        {},
	"internal/pulse":          {},
	"internal/systemd":        {},
	"tail":                    {"engine", "access"},
	".":                       {"engine", "engine/memory", "access", "tail", "internal/listing", "internal/netpoll", "internal/peer", "internal/pulse"},
	"internal/spelling":       {},
	"internal/textfile":       {},
	"internal/redial":         {},
	"internal/dirlock":        {},
	"auth":                    {"internal/dirlock", ".", "limit", "internal/peer", "access", "fault", "internal/redial", "internal/textfile"},
	"internal/config":         {".", "engine", "access", "internal/spelling", "internal/textfile"},
	"internal/testca":         {},
	"internal/testport":       {},
	"internal/panics":         {},
	"internal/socket":         {"internal/panics"},
	"internal/door":           {"internal/socket"},
	"refusal":                 {"access", "fault", "tail", "internal/peer"},
	"limit":                   {"internal/peer", "fault"},
	"internal/peer":           {},
	"fault":                   {".", "engine", "access", "internal/wire"},
	"ws":                      {".", "engine", "access", "internal/panics", "refusal", "limit", "fault", "internal/credential", "internal/protocol2", "internal/wire", "internal/socket", "internal/deflate"},
	"sse":                     {".", "engine", "access", "internal/spelling", "internal/panics", "refusal", "limit", "internal/credential", "internal/protocol2", "internal/wire", "fault", "internal/socket", "internal/coding", "internal/deflate"},
	"auth/clusterstore":       {"auth", "engine/cluster/natsconn"},
	"api":                     {".", "engine", "access", "auth", "refusal", "tail", "limit", "internal/credential", "internal/protocol2", "internal/wire", "fault", "internal/coding", "internal/asset"},
	"internal/server":         {".", "engine/memory", "engine/disk", "engine/cluster", "engine/cluster/natsconn", "engine/cluster/embed", "auth/clusterstore", "internal/nodes", "internal/roster", "engine", "internal/socket", "internal/door", "internal/panics", "internal/pulse", "refusal", "limit", "internal/peer", "internal/wire", "fault", "internal/credential", "internal/protocol2", "internal/config", "internal/textfile", "auth", "js", "ws", "sse", "api", "tail", "ui", "internal/asset"},
	"client":                  {"internal/wire"},
	"js":                      {},
	"internal/coding":         {"internal/deflate"},
	"internal/asset":          {"internal/coding"},
	"ui":                      {"internal/asset"},
	"boreastest":              {".", "engine", "access", "fault"},
	"internal/load":           {"client"},
	"internal/doctor":         {"client", "internal/config"},
	"internal/faultproxy":     {},
	"internal/trial/oracle":   {".", "engine"},
	"internal/trial":          {".", "engine", "engine/cluster/natsconn", "client", "internal/clock", "internal/config", "internal/faultproxy", "internal/server", "internal/testport", "internal/trial/oracle", "internal/wstest"},
	"internal/trial/":         {"internal/trial", "internal/trial/oracle"},
	"cmd/boreas":              {".", "engine", "engine/disk", "engine/cluster", "engine/cluster/natsconn", "internal/nodes", "access", "auth", "auth/clusterstore", "internal/wire", "fault", "internal/config", "internal/logwriter", "internal/server", "internal/load", "internal/doctor", "internal/textfile", "client", "internal/spelling", "internal/systemd"},
	"examples/":               {".", "access", "auth", "js", "ws", "sse", "api", "client", "examples/stage"},
	"scripts/":                {},

	"internal/logwriter": {},

	"internal/credential": {"access", "fault", "limit"},
	"internal/protocol2":  {".", "engine", "fault", "internal/wire"},

	// For tests only.
	"internal/repotest":    {},
	"internal/systemtest/": {".", "engine", "access", "internal/config", "internal/server", "internal/systemtest/issuer", "internal/wstest"},
	"internal/ssetest":     {},
	"internal/authtest":    {".", "access", "auth", "fault"},
	"internal/smalldisk":   {},
	"internal/natstest":    {"internal/faultproxy", "internal/testport"},
	"internal/testlog":     {},
	"internal/wstest":      {},
}

// standardOnly are the packages that import nothing from outside Go's library.
var standardOnly = []string{".", "engine", "engine/memory", "engine/disk", "access", "tail"}

// noName are names that do not describe the content of a package.
var noName = []string{
	"util", "utils", "common", "helper", "helpers", "misc", "shared", "manager", "lib", "base",
}

func TestImportsPointDown(t *testing.T) {
	for dir, imports := range packages(t) {
		allowed, known := ruleOf(dir)
		if !known {
			t.Errorf("package %s has no row in mayImport: add one, or move the code to another package", dir)
			continue
		}
		for imported, file := range imports {
			inner, ours := strings.CutPrefix(imported, modulePath)
			inner = strings.TrimPrefix(inner, "/")
			if inner == "" {
				inner = "."
			}
			first, _, _ := strings.Cut(imported, "/")
			switch {
			case ours && inner != "internal/clock" && !slices.Contains(allowed, inner):
				t.Errorf("%s: package %s must not import %s", file, dir, imported)
			case !ours && strings.Contains(first, ".") && slices.Contains(standardOnly, dir):
				t.Errorf("%s: package %s imports the standard library only, not %s", file, dir, imported)
			}
		}
	}
}

func TestPackageNamesAreNouns(t *testing.T) {
	for dir := range packages(t) {
		if slices.Contains(noName, path.Base(dir)) {
			t.Errorf("package %s: choose a name that describes its content", dir)
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	for _, file := range files(t, ".go") {
		if n := strings.Count(read(t, file), "\n"); n > maxFileLines {
			t.Errorf("%s has %d lines, more than %d: split it by subject", file, n, maxFileLines)
		}
	}
}

// ruleOf returns the row of mayImport for the package in dir.
func ruleOf(dir string) (allowed []string, known bool) {
	if allowed, known = mayImport[dir]; known {
		return allowed, true
	}
	for prefix, allowed := range mayImport {
		if strings.HasSuffix(prefix, "/") && strings.HasPrefix(dir, prefix) {
			return allowed, true
		}
	}
	return nil, false
}

// packages returns for each folder with Go code the import paths outside of tests,
// each with one file that has it. All files count, whatever system they are for.
func packages(t *testing.T) map[string]map[string]string {
	t.Helper()
	found := make(map[string]map[string]string)
	for _, file := range files(t, ".go") {
		dir := path.Dir(file)
		if found[dir] == nil {
			found[dir] = make(map[string]string)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, read(t, file), parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[dir][imported] = file
		}
	}
	if len(found) < 2 {
		t.Fatalf("found only the packages %v: the walk is wrong", found)
	}
	return found
}
