package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/textfile"
)

// maxPEM is the maximum size of a file of certificates or keys, in bytes. A bundle of all public
// authorities has a quarter of that size.
const maxPEM = 1 << 20

// readPair reads a certificate with its chain, and its private key.
func readPair(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := textfile.Read(certFile, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificate %s: %w", certFile, err)
	}
	key, err := textfile.Read(keyFile, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("cannot read the private key %s: %w", keyFile, err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s are not a certificate and its private key in PEM: %w", certFile, keyFile, err)
	}
	return &pair, nil // X509KeyPair has set Leaf
}

// readAuthorities reads the certificates of authorities.
func readAuthorities(file string) (*x509.CertPool, error) {
	text, err := textfile.Read(file, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("cannot read the authorities %s: %w", file, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New(file + " has no certificate in PEM")
	}
	return pool, nil
}

const (
	// expiryWarning is how long before its expiry a certificate that has not been renewed is
	// logged. For a certificate with a short lifetime it is 1/expiryShare of the lifetime.
	// expiryAgain is the time between two log lines.
	expiryWarning = 14 * 24 * time.Hour
	expiryShare   = 4
	expiryAgain   = 24 * time.Hour
)

// expiry logs a warning before a certificate expires.
type expiry struct {
	log *slog.Logger // immutable

	// Owned by the goroutine of secured.run.
	told time.Time // when the warning was logged last
	of   string    // the serial number of the certificate that was logged
}

// look logs the expiry of the certificate if it is time to do so.
func (e *expiry) look(port string, leaf *x509.Certificate, now time.Time) {
	left := leaf.NotAfter.Sub(now)
	if left > min(expiryWarning, leaf.NotAfter.Sub(leaf.NotBefore)/expiryShare) {
		return
	}
	number := leaf.SerialNumber.String()
	if number == e.of && now.Sub(e.told) < expiryAgain {
		return
	}
	e.of, e.told = number, now
	if left <= 0 {
		e.log.Error("the certificate has expired and clients refuse it: replace it", "port", port, "expired", leaf.NotAfter)
		return
	}
	e.log.Warn("the certificate will expire soon: replace it", "port", port, "expires", leaf.NotAfter)
}
