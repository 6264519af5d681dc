package main

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func TestConfig(t *testing.T) {
	o := options{version: "2.1.0", revision: "0123abc", created: time.Unix(0, 0).UTC()}
	want := v1.Config{
		Entrypoint:   []string{"/boreas"},
		User:         "65532:65532",
		WorkingDir:   "/etc/boreas",
		Env:          []string{"BOREAS_API_HOST=0.0.0.0", "BOREAS_DATA_DIR=/var/lib/boreas", "BOREAS_WS_HOST=0.0.0.0"},
		ExposedPorts: map[string]struct{}{"8001/tcp": {}, "8002/tcp": {}},
		Volumes:      map[string]struct{}{"/var/lib/boreas": {}},
		StopSignal:   "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title":         "Boreas",
			"org.opencontainers.image.description":   "Self-hosted real-time pub/sub server",
			"org.opencontainers.image.version":       "2.1.0",
			"org.opencontainers.image.revision":      "0123abc",
			"org.opencontainers.image.created":       "1970-01-01T00:00:00Z",
			"org.opencontainers.image.source":        "https://github.com/boreas-pubsub/boreas",
			"org.opencontainers.image.url":           "https://github.com/boreas-pubsub/boreas",
			"org.opencontainers.image.documentation": "https://github.com/boreas-pubsub/boreas/blob/v2.1.0/docs/containers.md",
			"org.opencontainers.image.licenses":      "Apache-2.0",
			"org.opencontainers.image.vendor":        "Boreas",
		},
		Healthcheck: &v1.HealthConfig{
			Test: []string{"CMD", "/boreas", "doctor", "--quick"}, Interval: 10 * time.Second, Timeout: 5 * time.Second, StartPeriod: time.Minute, Retries: 3,
		},
	}
	if diff := cmp.Diff(want, config(o)); diff != "" {
		t.Errorf("the configuration (-want +got):\n%s", diff)
	}
}

// TestRoots: the file has every authority that is trusted without a condition, and no other.
func TestRoots(t *testing.T) {
	want := 0
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			want++
		}
	}
	found := 0
	for rest := rootsPEM(); len(rest) > 0; found++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatal("a part of the file is not PEM")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if !c.IsCA {
			t.Errorf("%s is not an authority", c.Subject)
		}
	}
	t.Logf("%d authorities", found)
	if found != want || found < 100 {
		t.Errorf("found %d authorities, want %d, and at least 100", found, want)
	}
}

// TestRefusals: a mistake in the arguments gives an error that names it.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	other := "arm64"
	if runtime.GOARCH == other {
		other = "amd64"
	}
	self, err := os.Executable() // a static program, as tests run without cgo
	if err != nil {
		t.Fatal(err)
	}
	all := "--version=1 --revision=2 --out=" + filepath.Join(dir, "out") + " "
	for _, c := range []struct{ epoch, args, want string }{
		{"1", "--version=1 --revision=2", "give --out, --version and --revision"},
		{"", all, `SOURCE_DATE_EPOCH is "": give the time of the commit, in seconds since 1970`},
		{"-1", all, `SOURCE_DATE_EPOCH is "-1": give the time of the commit, in seconds since 1970`},
		{"1", all, "give a program for each platform, as linux/amd64=FILE"},
		{"1", all + "darwin/arm64=x", "darwin/arm64=x is not a program: give it as linux/ARCHITECTURE=FILE"},
		{"1", all + "linux/amd64=" + dir + "/none", "no such file"},
		{"1", all + "linux/s390x=" + self, "there is no image for linux/s390x: the architectures are amd64 and arm64"},
		{"1", all + "linux/amd64=" + script, "this is not a program for Linux"},
		{"1", all + "linux/" + other + "=" + self, "the program is for "},
		{"1", all + "linux/" + runtime.GOARCH + "=/bin/sh", "the program needs a dynamic linker"},
		{"1", "--version=1 --revision=2 --out=" + dir + " linux/amd64=" + self, dir + " exists: remove it, or give another folder"},
	} {
		t.Setenv("SOURCE_DATE_EPOCH", c.epoch)
		if err := run(strings.Fields(c.args)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v\nwant %s", c.args, err, c.want)
		}
	}
}
