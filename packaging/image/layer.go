package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"debug/elf"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// entry is a file of a layer, or a folder if its name ends in a slash.
type entry struct {
	name    string // without a leading slash
	mode    int64
	owner   int // user and group
	content []byte
}

// filesLayer returns the layer with everything but the program.
func filesLayer(created time.Time) (v1.Layer, error) {
	roots := rootsPEM()
	return newLayer(created, []entry{
		{name: "etc/", mode: 0o755},
		{name: configDir[1:] + "/", mode: 0o755},
		{name: "etc/group", mode: 0o644, content: fmt.Appendf(nil, "root:x:0:\nboreas:x:%d:\n", user)},
		{name: "etc/passwd", mode: 0o644, content: fmt.Appendf(nil, "root:x:0:0:root:/:/sbin/nologin\nboreas:x:%d:%d:Boreas:%s:/sbin/nologin\n", user, user, stateDir)},
		{name: path.Dir(rootsFile[1:]) + "/", mode: 0o755},
		{name: "etc/ssl/", mode: 0o755},
		{name: rootsFile[1:], mode: 0o644, content: roots},
		{name: "var/", mode: 0o755},
		{name: "var/lib/", mode: 0o755},
		{name: stateDir[1:] + "/", mode: 0o700, owner: user},
	})
}

// newLayer returns a compressed layer with the entries in the order of their names. It depends on its
// arguments only.
func newLayer(created time.Time, entries []entry) (v1.Layer, error) {
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	var compressed bytes.Buffer
	// The header of gzip stays empty, so it has neither a time nor a name.
	zip, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(zip)
	for _, e := range entries {
		h := &tar.Header{
			Name: e.name, Typeflag: tar.TypeReg, Mode: e.mode, Uid: e.owner, Gid: e.owner, Size: int64(len(e.content)),
			ModTime: created, Format: tar.FormatUSTAR,
		}
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := archive.Write(e.content); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(compressed.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
}

// checkBinary returns an error if the binary would not run in the image: it is for another
// architecture, or needs shared libraries.
func checkBinary(binary []byte, architecture string) error {
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	want, ok := machines[architecture]
	if !ok {
		return fmt.Errorf("there is no image for linux/%s: the architectures are amd64 and arm64", architecture)
	}
	file, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		return fmt.Errorf("this is not a program for Linux: %w", err)
	}
	if file.Machine != want {
		return fmt.Errorf("the program is for %v, not for %v (linux/%s)", file.Machine, want, architecture)
	}
	if libraries, _ := file.ImportedLibraries(); len(libraries) > 0 || slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return fmt.Errorf("the program needs a dynamic linker, which the image does not have: build it with CGO_ENABLED=0")
	}
	return nil
}
