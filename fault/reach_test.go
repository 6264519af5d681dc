package fault_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

// notYet are rows that no code uses yet. It must become empty.
var notYet = []string{}

// core are the packages whose errors are in the table. The root package is boreas.
var core = []string{"boreas", "engine", "access"}

// notReceived are errors of the core packages that no client receives: a client that has left
// receives no error, and too many places are between two nodes.
var notReceived = []string{"ErrLeft", "ErrTooManyPlaces"}

// TestEveryRowCanBeReached checks that the product's code uses each row, or an error that the row
// stands for.
func TestEveryRowCanBeReached(t *testing.T) {
	used, defined := identifiers(t)
	rows, order := tableRows(t)
	if diff := cmp.Diff(len(fault.All()), len(order)); diff != "" {
		t.Fatalf("a row is missing in the table, or this test does not find it (-table +found):\n%s", diff)
	}
	var mapped []string
	for name, causes := range rows {
		mapped = append(mapped, causes...)
		reached := slices.ContainsFunc(append([]string{"fault." + name}, causes...), func(s string) bool { return used[s] })
		switch pending := slices.Contains(notYet, name); {
		case !reached && !pending:
			t.Errorf("no code uses the row %s: use it or remove it", name)
		case reached && pending:
			t.Errorf("%s is used now: remove it from notYet", name)
		}
	}
	slices.Sort(mapped)
	var want []string
	for name := range defined {
		if !slices.Contains(notReceived, name) {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, mapped); diff != "" {
		t.Errorf("each error of the core packages must be in one row of the table (-defined +in the table):\n%s", diff)
	}
}

// tableRows returns the rows of table.go by their Go names, each with the errors of the root
// package that it stands for. It also returns the names in the order of the table.
func tableRows(t *testing.T) (rows map[string][]string, order []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "table.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	rows = make(map[string][]string)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		name := spec.Names[0].Name
		if name == "all" {
			for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
				order = append(order, e.(*ast.Ident).Name)
			}
			return false
		}
		rows[name] = []string{}
		ast.Inspect(spec, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && slices.Contains(core, s.X.(*ast.Ident).Name) {
				rows[name] = append(rows[name], s.Sel.Name)
			}
			return true
		})
		return false
	})
	for name := range rows {
		if !slices.Contains(order, name) {
			t.Errorf("the row %s is not in the table", name)
		}
	}
	return rows, order
}

// identifiers returns the names that the product's code uses, without tests and this package: rows
// as fault.Name, and errors of the core packages as ErrName. defined are the errors that the core
// packages define.
func identifiers(t *testing.T) (used, defined map[string]bool) {
	t.Helper()
	used, defined = make(map[string]bool), make(map[string]bool)
	root := ".."
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			_, notModule := os.Stat(filepath.Join(name, "go.mod"))
			base := entry.Name()
			if name != root && (notModule == nil || strings.HasPrefix(base, ".") || base == "node_modules" || base == "testdata" ||
				base == "examples" || base == "boreastest" || name == filepath.Join(root, "fault")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		dir, _ := filepath.Rel(root, filepath.Dir(name))
		inCore := dir == "." || slices.Contains(core, dir)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for _, id := range n.Names {
					if inCore && strings.HasPrefix(id.Name, "Err") {
						defined[id.Name] = true
					}
				}
				for _, v := range n.Values {
					ast.Inspect(v, func(n ast.Node) bool { note(used, n, inCore); return true })
				}
				return false
			default:
				note(used, n, inCore)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return used, defined
}

// note records the names that a piece of code uses.
func note(used map[string]bool, n ast.Node, inCore bool) {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		if x, ok := n.X.(*ast.Ident); ok && x.Name == "fault" {
			used["fault."+n.Sel.Name] = true
		} else if ok && slices.Contains(core, x.Name) {
			used[n.Sel.Name] = true
		}
	case *ast.Ident:
		if inCore {
			used[n.Name] = true
		}
	}
}
