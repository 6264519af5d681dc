package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// image lets packaging/image write the container image, and puts its OCI layout into a tar archive.
func image(ctx context.Context, r *release) error {
	layout := filepath.Join(r.work, "image")
	args := []string{"-C", filepath.Join(r.tree, "packaging", "image"), "run", ".", "--version=" + r.version, "--revision=" + r.commit, "--out=" + layout}
	for _, t := range []target{{"linux", "amd64"}, {"linux", "arm64"}} {
		if slices.Contains(r.targets, t) {
			args = append(args, "linux/"+t.arch+"="+r.path(t))
		}
	}
	if _, err := r.output(ctx, []string{r.epoch(), "GOFLAGS="}, "go", args...); err != nil {
		return err
	}
	return r.file(fmt.Sprintf("boreas_%s_image.tar", r.version), func(w io.Writer) error { return r.tarFolder(w, layout) })
}

// tarFolder writes the files of a folder, in the order of their names. The layers in them are
// compressed already.
func (r *release) tarFolder(w io.Writer, folder string) error {
	archive := tar.NewWriter(w)
	err := filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == folder {
			return err
		}
		name, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		head := &tar.Header{Typeflag: tar.TypeReg, Name: filepath.ToSlash(name), Mode: 0o644, Uname: "root", Gname: "root", ModTime: r.time, Format: tar.FormatUSTAR}
		if d.IsDir() {
			head.Typeflag, head.Mode, head.Name = tar.TypeDir, 0o755, head.Name+"/"
			return archive.WriteHeader(head)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		head.Size = int64(len(content))
		if err := archive.WriteHeader(head); err != nil {
			return err
		}
		_, err = archive.Write(content)
		return err
	})
	return errors.Join(err, archive.Close())
}

// chart lets packaging/chart/charttest/pack write the archive of the Helm chart.
func chart(ctx context.Context, r *release) error {
	_, err := r.output(ctx, []string{r.epoch(), "GOFLAGS="}, "go", "-C", filepath.Join(r.tree, "packaging", "chart", "charttest"), "run", "./pack",
		"--chart="+filepath.Join(r.tree, "packaging", "chart", "boreas"), "--version="+r.version, "--out="+r.dist)
	return err
}

// clients lets the scripts of the two clients write their packages.
func clients(ctx context.Context, r *release) error {
	for _, script := range []string{"pack-js.sh", "pack-python.sh"} {
		folder := filepath.Join(r.work, script)
		if _, err := r.output(ctx, []string{r.epoch()}, filepath.Join(r.tree, "scripts", script), folder, r.version); err != nil {
			return err
		}
		entries, err := os.ReadDir(folder)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return fmt.Errorf("%s wrote no package", script)
		}
		for _, e := range entries {
			content, err := os.ReadFile(filepath.Join(folder, e.Name()))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(r.dist, e.Name()), content, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
