package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
)

// TestPack packs the chart twice and compares the bytes.
func TestPack(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1793600000")
	var all [][]byte
	rules := 0
	for range 2 {
		dir := t.TempDir()
		if err := run([]string{"--chart=../../boreas", "--version=2.1.0-rc.1", "--out=" + dir}); err != nil {
			t.Fatal(err)
		}
		archive, err := os.ReadFile(filepath.Join(dir, "boreas-2.1.0-rc.1.tgz"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, archive)
	}
	if !bytes.Equal(all[0], all[1]) {
		t.Error("two archives of the same chart differ")
	}
	c, err := loader.LoadArchive(bytes.NewReader(all[0]))
	if err != nil {
		t.Fatal(err)
	}
	if c.Metadata.Version != "2.1.0-rc.1" || c.Metadata.AppVersion != "2.1.0-rc.1" || len(c.Templates) < 10 || len(c.Schema) == 0 || len(c.Files) < 3 {
		t.Errorf("the archive has the versions %s and %s, %d templates, %d files, and a schema of %d bytes",
			c.Metadata.Version, c.Metadata.AppVersion, len(c.Templates), len(c.Files), len(c.Schema))
	}
	t.Logf("%d bytes", len(all[0]))
	// In the repository these files are links, and the archive has their content.
	for _, f := range c.Files {
		if dir, name := filepath.Split(f.Name); dir == "files/" {
			want, err := os.ReadFile(filepath.Join("../../../observe", name))
			if err != nil || len(want) == 0 || !bytes.Equal(want, f.Data) {
				t.Errorf("%s is not the file in packaging/observe: %v", f.Name, err)
			}
			rules++
		}
	}
	if rules != 2 {
		t.Errorf("the archive has %d files with rules, want 2", rules)
	}
	if err := run([]string{"--chart=../../boreas", "--version=two", "--out=" + t.TempDir()}); err == nil || !strings.Contains(err.Error(), "two") {
		t.Errorf("the version two: %v", err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "now")
	if err := run([]string{"--version=2.0.0", "--out=" + t.TempDir()}); err == nil || !strings.Contains(err.Error(), `SOURCE_DATE_EPOCH is "now"`) {
		t.Errorf("without a time: %v", err)
	}
}
