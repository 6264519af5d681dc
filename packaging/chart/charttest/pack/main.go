// Pack makes the archive of the Helm chart, as `helm package` does:
//
//	SOURCE_DATE_EPOCH=1793600000 go run ./pack --version=2.0.0 --out=../../../dist
//
// The same chart and arguments always give the same bytes. `helm package` writes the time of the day
// into its archives.
package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("pack", flag.ExitOnError)
	dir := flags.String("chart", "../boreas", "the `folder` of the chart")
	out := flags.String("out", "", "write the archive into this `folder`")
	version := flags.String("version", "", "the `version` of the chart and of the program, such as 2.0.0")
	flags.Parse(args) //nolint:errcheck // it exits
	if *out == "" || *version == "" {
		return errors.New("give --out and --version")
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || seconds < 0 {
		return fmt.Errorf("SOURCE_DATE_EPOCH is %q: give the time of the commit, in seconds since 1970", epoch)
	}
	c, err := loader.LoadDir(*dir) // without the files in .helmignore
	if err != nil {
		return err
	}
	c.Metadata.Version, c.Metadata.AppVersion = *version, *version
	if err := c.Validate(); err != nil {
		return err
	}
	archive, err := pack(c, time.Unix(seconds, 0).UTC())
	if err != nil {
		return err
	}
	if _, err := loader.LoadArchive(bytes.NewReader(archive)); err != nil {
		return fmt.Errorf("the archive is not a chart: %w", err)
	}
	name := filepath.Join(*out, fmt.Sprintf("%s-%s.tgz", c.Name(), *version))
	if err := os.WriteFile(name, archive, 0o644); err != nil {
		return err
	}
	fmt.Println(name)
	return nil
}

// pack returns the archive of a chart. Its files are in order, with Chart.yaml first.
func pack(c *chart.Chart, created time.Time) ([]byte, error) {
	metadata, err := yaml.Marshal(c.Metadata)
	if err != nil {
		return nil, err
	}
	files := []*chart.File{{Name: "Chart.yaml", Data: metadata}}
	for _, f := range c.Raw {
		if f.Name != "Chart.yaml" {
			files = append(files, f)
		}
	}
	slices.SortFunc(files[1:], func(a, b *chart.File) int { return cmp.Compare(a.Name, b.Name) })
	var text bytes.Buffer
	zip, err := gzip.NewWriterLevel(&text, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(zip)
	for _, f := range files {
		h := &tar.Header{Name: c.Name() + "/" + f.Name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f.Data)), ModTime: created, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := archive.Write(f.Data); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}
