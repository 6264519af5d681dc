package repotest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSetupNamesPackagesBeforeItInstallsThem runs scripts/setup.sh where every command is
// missing and apt-get only prints its arguments.
func TestSetupNamesPackagesBeforeItInstallsThem(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	readme := read(t, "README.md")
	var packages []string
	for _, row := range regexp.MustCompile(`(?m)^\t"(?:\$\([^)]*\)|\S+) +(\S+) +[^"]*"$`).FindAllStringSubmatch(read(t, "scripts/setup.sh"), -1) {
		packages = append(packages, row[1])
		if !strings.Contains(readme, row[1]) {
			t.Errorf("README.md does not name the Debian package %s, which scripts/setup.sh installs", row[1])
		}
	}
	if len(packages) < 5 {
		t.Fatalf("found the packages %q in scripts/setup.sh: the search is wrong", packages)
	}

	bin := t.TempDir()
	for name, script := range map[string]string{
		"dirname": `echo "${1%/*}"`,
		"go":      `if [ "$2" = CC ]; then echo no-compiler; else echo "$2"; fi`,
		"id":      "echo 0",
		"env":     `shift; "$@"`,
		"apt-get": `echo "apt-get $*" >&2; [ "$1" = update ]`, // the first installation fails
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!"+bash+"\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.Command(bash, "scripts/setup.sh")
	run.Dir = folder
	run.Env = []string{"PATH=" + bin}
	output, err := run.CombinedOutput()
	if err == nil {
		t.Error("setup.sh succeeded although apt-get failed")
	}
	before, after, _ := strings.Cut(string(output), "apt-get update")
	if want := "will install these Debian packages with apt-get: " + strings.Join(packages, " "); !strings.Contains(before, want) {
		t.Errorf("before the first apt-get: %q\nwant %q; all output:\n%s", before, want, output)
	}
	if !strings.Contains(after, "apt-get install -y -qq --no-install-recommends "+packages[0]) {
		t.Errorf("setup.sh did not continue to install:\n%s", output)
	}
}
