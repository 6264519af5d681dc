package config

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write packaging/boreas.toml anew")

// packagedHead begins the file that packages install as /etc/boreas/boreas.toml.
const packagedHead = `# /etc/boreas/boreas.toml: the service boreas reads this file when it starts. After a change run
# "boreas config --check=/etc/boreas/boreas.toml", then "systemctl reload boreas". The log says which
# options need a restart instead. An upgrade of the package keeps your changes. Other users cannot read
# the file, because it may contain secrets.

`

// TestPackagedFile compares packaging/boreas.toml with the table of options. The file sets data_dir
// only, and shows every other option with its default.
func TestPackagedFile(t *testing.T) {
	const file = "../../packaging/boreas.toml"
	c := mustLoad(t, Input{Dir: t.TempDir(), Flags: map[string]string{"data_dir": "/var/lib/boreas"}})
	want := bytes.NewBufferString(packagedHead)
	if err := c.PrintTOML(want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), strings.ReplaceAll(string(got), "\r\n", "\n")); diff != "" {
		t.Errorf("%s does not match the options: run `go test ./internal/config -run TestPackagedFile -update`\n%s", file, diff)
	}
	read := mustLoad(t, Input{Dir: directory(t, map[string]string{"boreas.toml": string(got)})})
	for _, o := range Options() {
		if read.Given(o.Name) != (o.Name == "data_dir") {
			t.Errorf("%s: given in %s: %v", o.Name, file, read.Given(o.Name))
		}
	}
}
