package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// A release is one run of the program.
type release struct {
	version string // without a "v"
	tree    string // the root of the clone, absolute
	dist    string // the folder of the files, absolute
	work    string // a temporary folder
	tags    string // of the program, from the Makefile
	commit  string
	targets []target
	time    time.Time
}

// A step makes one kind of files.
type step struct {
	name string
	make func(context.Context, *release) error
}

// steps are all steps in their order. The programs come first, because others contain them, and the
// digests last.
var steps = []step{
	{"programs", programs},
	{"manual", documents},
	{"notes", notes},
	{"archives", archives},
	{"packages", packages},
	{"image", image},
	{"chart", chart},
	{"clients", clients},
	{"sbom", sbom},
	{"sums", sums},
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	version := flags.String("version", "", "the `version`, such as 2.0.0 or 2.0.0-rc.1")
	tree := flags.String("tree", ".", "the `folder` of the clone")
	dist := flags.String("dist", "dist", "write the files to this `folder`")
	replace := flags.Bool("replace", false, "remove the files of an earlier release from -dist, once the version and the tree are accepted")
	tags := flags.String("tags", "", "the build `tags` of the program")
	only := flags.String("targets", "", "only these `targets` of the Makefile, with commas between them, for tests")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r := &release{version: *version, tags: *tags}
	var err error
	if r.tree, err = filepath.Abs(*tree); err != nil {
		return err
	}
	if r.dist, err = filepath.Abs(*dist); err != nil {
		return err
	}
	if r.targets, err = makefileTargets(r.tree, *only); err != nil {
		return err
	}
	if err := r.check(ctx); err != nil {
		return err
	}
	if r.work, err = os.MkdirTemp("", "boreas-release-"); err != nil {
		return err
	}
	defer os.RemoveAll(r.work)
	if *replace {
		if err := os.RemoveAll(r.dist); err != nil {
			return err
		}
	}
	if err := emptyFolder(r.dist); err != nil {
		return err
	}
	for _, s := range steps {
		began := time.Now()
		if err := s.make(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Printf("release: %s: %.1f s\n", s.name, time.Since(began).Seconds())
	}
	return nil
}

// emptyFolder makes the folder. It refuses one with files: an old file would get into SHA256SUMS.
func emptyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("the folder %s is not empty: remove it, or give another one", dir)
	}
	return nil
}
