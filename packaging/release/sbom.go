package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/CycloneDX/cyclonedx-gomod/pkg/generate/bin"
	"github.com/rs/zerolog"
)

// sbom writes the list of the modules in the program for linux/amd64, from the program itself. Without
// a serial number and a time it is the same in each build.
func sbom(_ context.Context, r *release) error {
	generator, err := bin.NewGenerator(r.path(target{"linux", "amd64"}), bin.WithIncludeStdlib(true), bin.WithVersionOverride("v"+r.version), bin.WithLogger(zerolog.Nop()))
	if err != nil {
		return err
	}
	bom, err := generator.Generate()
	if err != nil {
		return err
	}
	bom.Metadata.Timestamp = r.time.Format("2006-01-02T15:04:05Z")
	return r.file(fmt.Sprintf("boreas_%s_sbom.cdx.json", r.version), func(w io.Writer) error {
		return cyclonedx.NewBOMEncoder(w, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
	})
}

// sums writes the digests of all files, in the form of sha256sum.
func sums(_ context.Context, r *release) error {
	entries, err := os.ReadDir(r.dist) // by name
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, e := range entries {
		if !e.Type().IsRegular() {
			return fmt.Errorf("%s is not a file", e.Name())
		}
		f, err := os.Open(filepath.Join(r.dist, e.Name()))
		if err != nil {
			return err
		}
		digest := sha256.New()
		_, err = io.Copy(digest, f)
		f.Close()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", digest.Sum(nil), e.Name())
	}
	return os.WriteFile(filepath.Join(r.dist, "SHA256SUMS"), []byte(b.String()), 0o644)
}
