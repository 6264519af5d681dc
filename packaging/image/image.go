package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	source = "https://github.com/boreas-pubsub/boreas"

	// user is the user and group of the process. It has no name outside of the image, and engines that
	// require a user other than root accept it because it is a number.
	user = 65532

	stateDir  = "/var/lib/boreas"
	configDir = "/etc/boreas"
)

// options are the input of an image.
type options struct {
	version  string
	revision string
	created  time.Time
	programs []program
}

// program is the binary for an architecture.
type program struct{ architecture, file string }

// write writes an image as an OCI layout to a folder. The index of the layout has one entry, an
// index with a manifest for each architecture.
func write(folder string, o options) error {
	if _, err := os.Lstat(folder); err == nil {
		return fmt.Errorf("%s exists: remove it, or give another folder", folder)
	}
	index, err := build(o)
	if err != nil {
		return err
	}
	l, err := layout.Write(folder, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return err
	}
	if err := l.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": o.version})); err != nil {
		return err
	}
	// The library gives its files different modes. An archive of the folder must not depend on them, or
	// on the umask.
	return filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return os.Chmod(name, 0o755)
		}
		return os.Chmod(name, 0o644)
	})
}

// build returns an index with an image for each program.
func build(o options) (v1.ImageIndex, error) {
	files, err := filesLayer(o.created)
	if err != nil {
		return nil, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range o.programs {
		img, err := buildImage(o, p, files)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        img,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: p.architecture}},
		})
	}
	return mutate.Annotations(index, labels(o)).(v1.ImageIndex), nil
}

// buildImage returns the image with a program. The layer with the other files is the same for all
// architectures.
func buildImage(o options, p program, files v1.Layer) (v1.Image, error) {
	binary, err := os.ReadFile(p.file)
	if err != nil {
		return nil, err
	}
	if err := checkBinary(binary, p.architecture); err != nil {
		return nil, fmt.Errorf("%s: %w", p.file, err)
	}
	program, err := newLayer(o.created, []entry{{name: "boreas", mode: 0o555, content: binary}})
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{
		Architecture: p.architecture,
		OS:           "linux",
		Created:      v1.Time{Time: o.created},
		RootFS:       v1.RootFS{Type: "layers"},
		Config:       config(o),
	})
	if err != nil {
		return nil, err
	}
	add := func(l v1.Layer, comment string) mutate.Addendum {
		return mutate.Addendum{Layer: l, MediaType: types.OCILayer, History: v1.History{Created: v1.Time{Time: o.created}, CreatedBy: comment}}
	}
	img, err = mutate.Append(img, add(files, "users, certificate authorities, folders"), add(program, "/boreas "+o.version))
	if err != nil {
		return nil, err
	}
	return mutate.Annotations(img, labels(o)).(v1.Image), nil
}

// config says how engines run the image.
func config(o options) v1.Config {
	return v1.Config{
		Entrypoint: []string{"/boreas"},
		User:       fmt.Sprintf("%d:%d", user, user),
		// The server reads boreas.toml in its working directory, so a file that is mounted there needs no option.
		WorkingDir: configDir,
		// Other machines must reach both ports, because the engine's proxy is one of them. So the API
		// requires a key: without one the server does not start, and says how to make one.
		Env: []string{
			"BOREAS_API_HOST=0.0.0.0",
			"BOREAS_DATA_DIR=" + stateDir,
			"BOREAS_WS_HOST=0.0.0.0",
		},
		ExposedPorts: map[string]struct{}{"8001/tcp": {}, "8002/tcp": {}},
		Volumes:      map[string]struct{}{stateDir: {}},
		StopSignal:   "SIGTERM",
		Labels:       labels(o),
		// The OCI specification has no health check. Docker reads this field in images of both formats,
		// podman in Docker's only, and Kubernetes in none.
		Healthcheck: &v1.HealthConfig{
			Test:        []string{"CMD", "/boreas", "doctor", "--quick"},
			Interval:    10 * time.Second,
			Timeout:     5 * time.Second,
			StartPeriod: time.Minute,
			Retries:     3,
		},
	}
}

// labels describe the image. They are also the annotations of its manifests, which registries show.
func labels(o options) map[string]string {
	const prefix = "org.opencontainers.image."
	return map[string]string{
		prefix + "title":         "Boreas",
		prefix + "description":   "Self-hosted real-time pub/sub server",
		prefix + "version":       o.version,
		prefix + "revision":      o.revision,
		prefix + "created":       o.created.Format(time.RFC3339),
		prefix + "source":        source,
		prefix + "url":           source,
		prefix + "documentation": source + "/blob/v" + o.version + "/docs/containers.md",
		prefix + "licenses":      "Apache-2.0",
		prefix + "vendor":        "Boreas",
	}
}
