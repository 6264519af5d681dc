package main

import (
	"bytes"
	"encoding/pem"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// rootsFile is the file with the certificate authorities that the server trusts for its own requests:
// to ACME authorities, JWKS, backends and NATS servers.
const rootsFile = "/etc/ssl/certs/ca-certificates.crt"

// rootsPEM returns Mozilla's certificate authorities as PEM. They come from a Go module, so go.sum pins
// them and a build needs no other source. Authorities that are trusted for old certificates only are
// left out, because PEM cannot say that.
func rootsPEM() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) //nolint:errcheck // a Buffer does not fail
		}
	}
	return text.Bytes()
}
