package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// An entry is a file in an archive.
type entry struct {
	name    string // with the folders in the archive
	source  string // the path of its content
	program bool   // it can be executed
}

func (e entry) mode() int64 {
	if e.program {
		return 0o755
	}
	return 0o644
}

// archives writes the archive of each target.
func archives(_ context.Context, r *release) error {
	var jobs []func() error
	for _, t := range r.targets {
		jobs = append(jobs, func() error { return r.archive(t) })
	}
	return together(jobs)
}

// together runs the jobs, one for each processor at a time.
func together(jobs []func() error) error {
	errs := make([]error, len(jobs))
	room := make(chan struct{}, runtime.GOMAXPROCS(0))
	var group sync.WaitGroup
	for i, job := range jobs {
		room <- struct{}{}
		group.Go(func() {
			errs[i] = job()
			<-room
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// archive writes the archive of a target.
func (r *release) archive(t target) error {
	folder := fmt.Sprintf("boreas_%s_%s", r.version, t.name())
	list := []entry{
		{t.program(), r.path(t), true},
		{"LICENSE", filepath.Join(r.tree, "LICENSE"), false},
		{"README.md", filepath.Join(r.tree, "README.md"), false},
		{"man/boreas.1", r.document("boreas.1"), false},
	}
	for _, s := range shells {
		list = append(list, entry{"completions/" + s.file, r.document(s.file), false})
	}
	if t.system == "linux" {
		list = append(
			list,
			entry{"boreas.toml", filepath.Join(r.tree, "packaging", "boreas.toml"), false},
			entry{"systemd/boreas.service", filepath.Join(r.tree, "packaging", "systemd", "boreas.service"), false},
			entry{"systemd/boreas.socket", filepath.Join(r.tree, "packaging", "systemd", "boreas.socket"), false},
		)
	}
	for i := range list {
		list[i].name = path.Join(folder, list[i].name)
	}
	write, name := writeTar, folder+".tar.gz"
	if t.system == "windows" {
		write, name = writeZip, folder+".zip"
	}
	return r.file(name, func(w io.Writer) error { return write(w, list, r.time) })
}

// file writes a file of the release.
func (r *release) file(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(filepath.Join(r.dist, name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// sorted returns the entries by name.
func sorted(list []entry) []entry {
	return slices.SortedFunc(slices.Values(list), func(a, b entry) int { return strings.Compare(a.name, b.name) })
}

// writeTar writes a tar archive, compressed with gzip. Everything belongs to root and has one time.
func writeTar(w io.Writer, list []entry, at time.Time) error {
	zipped, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(zipped)
	folders := map[string]bool{}
	for _, e := range sorted(list) {
		if err := tarFolders(archive, path.Dir(e.name), folders, at); err != nil {
			return err
		}
		content, err := os.ReadFile(e.source)
		if err != nil {
			return err
		}
		head := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: e.mode(), Size: int64(len(content)), Uname: "root", Gname: "root", ModTime: at, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(head); err != nil {
			return err
		}
		if _, err := archive.Write(content); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), zipped.Close())
}

// tarFolders writes the folder and those that contain it, unless they are written.
func tarFolders(archive *tar.Writer, folder string, written map[string]bool, at time.Time) error {
	if folder == "." || written[folder] {
		return nil
	}
	if err := tarFolders(archive, path.Dir(folder), written, at); err != nil {
		return err
	}
	written[folder] = true
	return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, Uname: "root", Gname: "root", ModTime: at, Format: tar.FormatUSTAR})
}

// writeZip writes a zip archive.
func writeZip(w io.Writer, list []entry, at time.Time) error {
	archive := zip.NewWriter(w)
	for _, e := range sorted(list) {
		content, err := os.ReadFile(e.source)
		if err != nil {
			return err
		}
		head := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: at}
		head.SetMode(os.FileMode(e.mode())) //nolint:gosec // it is 0755 or 0644
		f, err := archive.CreateHeader(head)
		if err != nil {
			return err
		}
		if _, err := f.Write(content); err != nil {
			return err
		}
	}
	return archive.Close()
}
