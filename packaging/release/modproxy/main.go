// Modproxy writes a folder that serves one version of the module of Boreas, in the form of a Go module
// proxy: `go run ./modproxy TREE VERSION FOLDER`. The check of packages installs the program from it,
// as users do from a real proxy. It fails if the tree is not a valid module of at most 500 MB.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "modproxy: give the folder of a clone, a version such as v2.0.0, and a new folder")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "modproxy:", err)
		os.Exit(1)
	}
}

func write(tree, version, folder string) error {
	mod, err := os.ReadFile(filepath.Join(tree, "go.mod"))
	if err != nil {
		return err
	}
	path := modfile.ModulePath(mod)
	if err := module.Check(path, version); err != nil {
		return err
	}
	dir := filepath.Join(folder, filepath.FromSlash(path), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	archive, err := os.Create(filepath.Join(dir, version+".zip"))
	if err != nil {
		return err
	}
	if err := errors.Join(zip.CreateFromDir(archive, module.Version{Path: path, Version: version}, tree), archive.Close()); err != nil {
		return err
	}
	info, err := os.Stat(archive.Name())
	if err != nil {
		return err
	}
	checked, err := zip.CheckZip(module.Version{Path: path, Version: version}, archive.Name())
	if err := errors.Join(err, checked.Err()); err != nil {
		return err
	}
	fmt.Printf("modproxy: %s %s has %d files, and its archive %d bytes\n", path, version, len(checked.Valid), info.Size())
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "list"), []byte(version+"\n"), 0o644),
		os.WriteFile(filepath.Join(dir, version+".mod"), mod, 0o644),
		os.WriteFile(filepath.Join(dir, version+".info"), []byte(`{"Version":"`+version+`"}`), 0o644),
	)
}
