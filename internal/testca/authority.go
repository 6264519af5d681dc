// Package testca issues certificates for tests and benchmarks. Only the tests trust them.
package testca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// An Authority issues certificates.
type Authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// A Pair is a certificate and its private key, in PEM.
type Pair struct{ Cert, Key []byte }

// New creates a self-signed authority.
func New() *Authority {
	template := template("Boreas test authority", 24*time.Hour)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return &Authority{key, must(x509.ParseCertificate(der))}
}

// must returns v. Making keys and certificates does not fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// template returns the common fields of all certificates. Serial numbers are random, because two
// certificates of one issuer must not have the same number.
func template(name string, life time.Duration) *x509.Certificate {
	number := must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)))
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

// Issue issues a certificate for servers and clients. It is valid for the name, localhost and
// 127.0.0.1, and for the given time.
func (a *Authority) Issue(name string, life time.Duration) Pair {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	t := template(name, life)
	t.DNSNames, t.IPAddresses = []string{name, "localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	cert := must(x509.CreateCertificate(rand.Reader, t, a.cert, &key.PublicKey, a.key))
	return Pair{inPEM("CERTIFICATE", cert), inPEM("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))}
}

// PEM returns the authority's own certificate.
func (a *Authority) PEM() []byte { return inPEM("CERTIFICATE", a.cert.Raw) }

// Pool returns a pool that trusts the authority.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func inPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// Write writes the pair to cert.pem and key.pem in dir, and returns the file names.
func (p Pair) Write(dir string) (cert, key string, err error) {
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	return cert, key, errors.Join(os.WriteFile(cert, p.Cert, 0o644), os.WriteFile(key, p.Key, 0o600))
}
