//go:build unix

package realclients

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The tests in this file check the packages of the clients, and the examples that need other
// packages. `make clients-check` installs what they need.

// TestPackedJS runs packed/js.test.mjs: the npm package, installed and bundled.
func TestPackedJS(t *testing.T) { packed(t, "js.test.mjs") }

// TestPackedReact runs packed/react.test.mjs, which uses examples/react-hook with Chromium.
func TestPackedReact(t *testing.T) { packed(t, "react.test.mjs") }

// TestPackedFastAPI runs packed/fastapi.test.mjs, which uses examples/fastapi-backend with Chromium.
func TestPackedFastAPI(t *testing.T) { packed(t, "fastapi.test.mjs") }

// debianPython has the modules of Debian's packages, unlike another python3 of the PATH.
const debianPython = "/usr/bin/python3"

// TestPackedPython packs the Python client twice, with the same bytes, and checks the packages. It
// installs each of them without a network, and runs the tests of the client with it.
func TestPackedPython(t *testing.T) {
	needPackages(t)
	t.Setenv("SOURCE_DATE_EPOCH", "1793600000") // the tree need not be a clone
	// The files of an archive have permissions, which must not depend on the umask.
	dir, again := t.TempDir(), t.TempDir()
	names := strings.Fields(run(t, "../..", "scripts/pack-python.sh", dir, "2.3.4-rc.1"))
	run(t, "../..", "sh", "-c", "umask 077; exec scripts/pack-python.sh "+again+" 2.3.4-rc.1")
	wheel, source := "boreas_client-2.3.4rc1-py3-none-any.whl", "boreas_client-2.3.4rc1.tar.gz"
	if diff := cmp.Diff([]string{wheel, source}, names); diff != "" {
		t.Fatalf("files (-want +got):\n%s", diff)
	}
	for _, name := range names {
		one, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		other, err := os.ReadFile(filepath.Join(again, name))
		if err != nil || !bytes.Equal(one, other) {
			t.Errorf("%s: the second time it has other bytes (%v)", name, err)
		}
	}
	for _, version := range []string{"v2.0.0", "2.0", "2.0.0;"} {
		if output, err := exec.Command("../pack-python.sh", dir, version).CombinedOutput(); err == nil || !strings.Contains(string(output), "such as 2.0.0") {
			t.Errorf("version %s: %v\n%s", version, err, output)
		}
	}
	wheel, source = filepath.Join(dir, wheel), filepath.Join(dir, source)
	run(t, ".", "twine", "check", "--strict", wheel, source)
	run(t, "../../clients/python", "mypy", "--cache-dir="+t.TempDir())
	metadata := run(t, ".", debianPython, "-m", "zipfile", "-l", wheel)
	for _, file := range []string{"boreas/py.typed", "licenses/LICENSE"} {
		if !strings.Contains(metadata, file) {
			t.Errorf("the wheel has no %s:\n%s", file, metadata)
		}
	}
	t.Run("wheel", func(t *testing.T) {
		python := installed(t, wheel, nil, nil)
		run(t, "packed", "mypy", "--strict", "--python-executable="+python, "--cache-dir="+t.TempDir(), "typed.py")
	})
	// The source is built with Debian's hatchling, because a network would be needed for another one.
	t.Run("source", func(t *testing.T) {
		installed(t, source, []string{"--system-site-packages"}, []string{"--no-build-isolation"})
	})
}

// installed installs a package into a new virtual environment with options of venv and pip, and runs
// the tests of the client there. It returns the environment's Python.
func installed(t *testing.T, file string, venv, pip []string) (python string) {
	t.Helper()
	environment := t.TempDir()
	run(t, ".", debianPython, slices.Concat([]string{"-m", "venv"}, venv, []string{environment})...)
	python = filepath.Join(environment, "bin", "python")
	run(t, ".", python, slices.Concat([]string{"-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"}, pip, []string{file})...)
	empty := t.TempDir()
	if from := run(t, empty, python, "-c", "import boreas; print(boreas.__file__)"); !strings.HasPrefix(from, environment) {
		t.Fatalf("the tests would use %s", from)
	}
	test, err := os.ReadFile("../../clients/python/test_boreas.py")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(empty, "test_boreas.py"), test, 0o600); err != nil {
		t.Fatal(err)
	}
	testPython(t, empty, python)
	return python
}

// run runs a program and returns its output. It fails the test if the program fails.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, output)
	}
	return strings.TrimSpace(string(output))
}

// packed runs a test file in packed with Node's test runner.
func packed(t *testing.T, test string) {
	t.Helper()
	needPackages(t)
	node(t, "packed", test)
}

// needPackages skips the test unless `make clients-check` has installed what it needs.
func needPackages(t *testing.T) {
	t.Helper()
	if os.Getenv("TEST_CLIENT_PACKAGES") == "" {
		t.Skip("TEST_CLIENT_PACKAGES is not set; `make clients-check` sets it")
	}
}
