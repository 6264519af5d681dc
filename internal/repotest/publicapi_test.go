package repotest

import (
	"bytes"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestPublicPackagesExportNoInternalTypes walks the exported API of all packages that other modules
// can import. Another module could not make a value of an internal type.
func TestPublicPackagesExportNoInternalTypes(t *testing.T) {
	packages, exports := compiled(t)
	imports := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	public := 0
	for _, path := range packages {
		if isInternal(path) || strings.HasPrefix(path, modulePath+"/examples/") {
			continue
		}
		pkg, err := imports.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		if pkg.Name() == "main" {
			continue
		}
		public++
		for _, name := range pkg.Scope().Names() {
			if object := pkg.Scope().Lookup(name); object.Exported() {
				checkObject(t, object)
			}
		}
	}
	if public < 5 {
		t.Errorf("found only %d public packages: the walk is wrong", public)
	}
}

// compiled returns the packages of this module, and the files with the compiled API of these and of
// all packages that they import.
func compiled(t *testing.T) (packages []string, exports map[string]string) {
	t.Helper()
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", modulePath+"/...")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	exports = make(map[string]string)
	for line := range bytes.Lines(out) {
		path, file, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), "\t")
		exports[path] = file
		if path == modulePath || strings.HasPrefix(path, modulePath+"/") {
			packages = append(packages, path)
		}
	}
	return packages, exports
}

// isInternal reports whether a package is one of this module that other modules cannot import.
func isInternal(path string) bool {
	return strings.HasPrefix(path, modulePath+"/") && strings.Contains(path+"/", "/internal/")
}

// checkObject checks the types that an object's API consists of.
func checkObject(t *testing.T, object types.Object) {
	w := typeWalk{t: t, where: object.Pkg().Path() + "." + object.Name()}
	name, ok := object.(*types.TypeName)
	if !ok || name.IsAlias() {
		w.walk(object.Type())
		return
	}
	w.walk(object.Type().Underlying())
	methods := types.NewMethodSet(types.NewPointer(object.Type()))
	for i := range methods.Len() {
		if m := methods.At(i).Obj(); m.Exported() {
			w.at("." + m.Name()).walk(m.Type())
		}
	}
}

// typeWalk walks the types that an exported API consists of.
type typeWalk struct {
	t     *testing.T
	where string
}

func (w typeWalk) at(member string) typeWalk {
	w.where += member
	return w
}

func (w typeWalk) walk(typ types.Type) {
	switch typ := typ.(type) {
	case *types.Alias:
		w.name(typ.Obj())
		w.walk(types.Unalias(typ))
	case *types.Named:
		w.name(typ.Obj())
		for arg := range typ.TypeArgs().Types() {
			w.walk(arg)
		}
	case interface{ Elem() types.Type }: // pointers, slices, arrays, channels, maps
		if m, ok := typ.(*types.Map); ok {
			w.walk(m.Key())
		}
		w.walk(typ.Elem())
	case *types.Signature:
		for _, list := range []*types.Tuple{typ.Params(), typ.Results()} {
			for v := range list.Variables() {
				w.walk(v.Type())
			}
		}
		for parameter := range typ.TypeParams().TypeParams() {
			w.walk(parameter.Constraint())
		}
	case *types.Struct:
		for field := range typ.Fields() {
			if field.Exported() || field.Embedded() {
				w.at("." + field.Name()).walk(field.Type())
			}
		}
	case *types.Interface:
		for method := range typ.Methods() {
			if method.Exported() {
				w.at("." + method.Name()).walk(method.Type())
			}
		}
	case *types.Union:
		for term := range typ.Terms() {
			w.walk(term.Type())
		}
	}
}

// name reports a type of an internal package.
func (w typeWalk) name(name *types.TypeName) {
	if name.Pkg() != nil && isInternal(name.Pkg().Path()) {
		w.t.Errorf("%s has the internal type %s.%s, which other modules cannot make", w.where, name.Pkg().Path(), name.Name())
	}
}
