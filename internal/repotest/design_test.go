package repotest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// This file checks that everything that DESIGN.md names in backticks exists. The text may name
//
//   - a file or folder: `hub.go`, `internal/socket`
//   - declarations in a file: `hub.go: Hub.Publish, Hub.publish`
//   - a declaration of the root package or of another one: `Hub.Publish`, `engine.Follower`
//
// A declaration is a function, type, constant or variable, or a method or field after its type.

var codeSpan = regexp.MustCompile("`([^`]+)`")

func TestDesignNamesWhatExists(t *testing.T) {
	text := markdownFence.ReplaceAllString(read(t, "DESIGN.md"), "")
	if names := len(codeSpan.FindAllString(text, -1)); names < 100 {
		t.Errorf("found only %d names in DESIGN.md: the search is wrong", names)
	}
	for _, problem := range designProblems(t, text) {
		t.Error("DESIGN.md: " + problem)
	}
}

// TestDesignProblems checks that TestDesignNamesWhatExists can fail.
func TestDesignProblems(t *testing.T) {
	text := "`hub.go` `internal/socket` `hub.go: New, Hub.Publish, Hub.room` `Conn.TryWrite` `maxWrite` `engine.Follower.Deliver`\n" +
		"`hubs.go` `internal/sockets` `ws: Handler` `hub.go: New, Hub.Publishes` `sweep.go: Hub.Publish` `Conn.Write` `engine.Hub`"
	want := []string{
		"there is no file or folder hubs.go",
		"there is no file or folder internal/sockets",
		"there is no file or folder ws: Handler",
		"hub.go does not declare Hub.Publishes",
		"sweep.go does not declare Hub.Publish",
		"no package declares Conn.Write",
		"no package declares engine.Hub",
	}
	if diff := cmp.Diff(want, designProblems(t, text)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// designProblems returns a sentence for each name in backticks that does not exist.
func designProblems(t *testing.T, text string) (problems []string) {
	t.Helper()
	files := map[string]map[string]bool{} // declarations by file
	of := func(file string) map[string]bool {
		if files[file] == nil {
			files[file] = declarations(t, file)
		}
		return files[file]
	}
	anywhere := func(dir, name string) bool {
		entries, err := fs.ReadDir(root, dir)
		if err != nil {
			return false
		}
		for _, entry := range entries {
			file := path.Join(dir, entry.Name())
			if path.Ext(file) == ".go" && !strings.HasSuffix(file, "_test.go") && of(file)[name] {
				return true
			}
		}
		return false
	}
	for _, match := range codeSpan.FindAllStringSubmatch(text, -1) {
		span := match[1]
		file, names, declares := strings.Cut(span, ": ")
		if _, err := fs.Stat(root, file); err == nil && declares && path.Ext(file) == ".go" {
			for _, name := range strings.Split(names, ", ") {
				if !of(file)[name] {
					problems = append(problems, fmt.Sprintf("%s does not declare %s", file, name))
				}
			}
		} else if err == nil && !declares {
			continue
		} else if declares || strings.Contains(span, "/") || path.Ext(span) == ".go" {
			problems = append(problems, "there is no file or folder "+span)
		} else if dir, name, _ := strings.Cut(span, "."); !anywhere(".", span) && !anywhere(dir, name) {
			problems = append(problems, "no package declares "+span)
		}
	}
	return problems
}

// declarations returns the names that a file declares.
func declarations(t *testing.T, file string) map[string]bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, read(t, file), parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	members := func(of string, list *ast.FieldList) {
		for _, field := range list.List {
			for _, name := range field.Names {
				names[of+name.Name] = true
			}
		}
	}
	for _, decl := range parsed.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			of := ""
			if decl.Recv != nil {
				of = typeName(decl.Recv.List[0].Type) + "."
			}
			names[of+decl.Name.Name] = true
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						names[name.Name] = true
					}
				case *ast.TypeSpec:
					names[spec.Name.Name] = true
					switch body := spec.Type.(type) {
					case *ast.StructType:
						members(spec.Name.Name+".", body.Fields)
					case *ast.InterfaceType:
						members(spec.Name.Name+".", body.Methods)
					}
				}
			}
		}
	}
	return names
}

// typeName returns the name of a receiver's type.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
