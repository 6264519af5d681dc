package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// maxImage is how many bytes the layers of an architecture may have together.
const maxImage = 12_000_000

// programs returns the programs for all architectures. `make image-check` builds them, as a release does.
func programs(t *testing.T) []program {
	t.Helper()
	dir := os.Getenv("TEST_IMAGE_PROGRAMS")
	if dir == "" {
		t.Skip("TEST_IMAGE_PROGRAMS does not name the folder with boreas-linux-amd64 and boreas-linux-arm64: run `make image-check`")
	}
	var all []program
	for _, architecture := range []string{"amd64", "arm64"} {
		all = append(all, program{architecture, filepath.Join(dir, "boreas-linux-"+architecture)})
	}
	return all
}

func testOptions(t *testing.T) options {
	t.Helper()
	return options{version: "2.0.0-test", revision: "0123abc", created: time.Unix(1_793_600_000, 0).UTC(), programs: programs(t)}
}

// shared is an image that all tests read: writing it takes seconds.
var shared struct {
	sync.Once
	folder string
}

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(shared.folder)
	os.Exit(code)
}

// written returns the folder of the shared image, and its index.
func written(t *testing.T) (folder string, index v1.ImageIndex) {
	t.Helper()
	o := testOptions(t)
	shared.Do(func() {
		dir, err := os.MkdirTemp("", "boreas-image-")
		if err != nil {
			t.Fatal(err)
		}
		shared.folder = dir
		if err := write(filepath.Join(dir, "image"), o); err != nil {
			t.Fatal(err)
		}
	})
	folder = filepath.Join(shared.folder, "image")
	l, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	m, err := l.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Manifests) != 1 {
		t.Fatalf("the layout has %d entries, and must have the index of all architectures only", len(m.Manifests))
	}
	if index, err = l.ImageIndex(m.Manifests[0].Digest); err != nil {
		t.Fatal(err)
	}
	return folder, index
}

// imageFor returns the image for an architecture.
func imageFor(t *testing.T, index v1.ImageIndex, architecture string) v1.Image {
	t.Helper()
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Manifests {
		if d.Platform != nil && d.Platform.OS == "linux" && d.Platform.Architecture == architecture {
			img, err := index.Image(d.Digest)
			if err != nil {
				t.Fatal(err)
			}
			return img
		}
	}
	t.Fatalf("there is no image for linux/%s", architecture)
	return nil
}

// TestImage validates every digest, size and media type of the image, and measures it.
func TestImage(t *testing.T) {
	o := testOptions(t)
	_, index := written(t)
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	for _, p := range o.programs {
		img := imageFor(t, index, p.architecture)
		layers, err := img.Layers()
		if err != nil {
			t.Fatal(err)
		}
		total := int64(0)
		for _, l := range layers {
			size, err := l.Size()
			if err != nil {
				t.Fatal(err)
			}
			total += size
		}
		digest, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("linux/%s: %d bytes in %d layers, %v", p.architecture, total, len(layers), digest)
		if total > maxImage {
			t.Errorf("linux/%s has %d bytes, more than %d", p.architecture, total, maxImage)
		}
		file, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if !file.Created.Equal(o.created) || file.Architecture != p.architecture || file.OS != "linux" {
			t.Errorf("linux/%s: created %v for %s/%s", p.architecture, file.Created, file.OS, file.Architecture)
		}
	}
}

// TestSameBytes builds the image again in another folder, and compares all files and their modes.
func TestSameBytes(t *testing.T) {
	first, _ := written(t)
	second := filepath.Join(t.TempDir(), "again")
	if err := write(second, testOptions(t)); err != nil {
		t.Fatal(err)
	}
	want, got := contents(t, first), contents(t, second)
	if len(want) < 10 {
		t.Errorf("found only %d files: the walk is wrong", len(want))
	}
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s differs", name)
		}
	}
	if len(want) != len(got) {
		t.Errorf("%d files, then %d", len(want), len(got))
	}
}

// contents returns the mode and the content of each file in a folder.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		var content []byte
		if !entry.IsDir() {
			if content, err = os.ReadFile(name); err != nil {
				return err
			}
		}
		all[strings.TrimPrefix(name, folder)] = fmt.Sprint(info.Mode(), " ", string(content))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestFiles compares the list of files in the image.
func TestFiles(t *testing.T) {
	o := testOptions(t)
	_, index := written(t)
	var got []string
	eachFile(t, imageFor(t, index, "arm64"), func(h *tar.Header, _ io.Reader) {
		if !h.ModTime.Equal(o.created) || h.Uname != "" || h.Gname != "" || h.Uid != h.Gid {
			t.Errorf("%s: time %v, owner %q:%q, %d:%d", h.Name, h.ModTime, h.Uname, h.Gname, h.Uid, h.Gid)
		}
		got = append(got, fmt.Sprintf("%c %04o %5d %s", h.Typeflag, h.Mode, h.Uid, h.Name))
	})
	want := []string{
		"5 0755     0 etc/",
		"5 0755     0 etc/boreas/",
		"0 0644     0 etc/group",
		"0 0644     0 etc/passwd",
		"5 0755     0 etc/ssl/",
		"5 0755     0 etc/ssl/certs/",
		"0 0644     0 etc/ssl/certs/ca-certificates.crt",
		"5 0755     0 var/",
		"5 0755     0 var/lib/",
		"5 0700 65532 var/lib/boreas/",
		"0 0555     0 boreas",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// eachFile calls do for the files of all layers, in order.
func eachFile(t *testing.T, img v1.Image, do func(*tar.Header, io.Reader)) {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for archive := tar.NewReader(r); ; {
			h, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			do(h, archive)
		}
		r.Close()
	}
}
