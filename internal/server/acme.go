package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

const (
	// acmeTimeout limits one request to the authority.
	acmeTimeout = 30 * time.Second

	// acmeAgain is the minimum time between two log lines about a name without a certificate.
	acmeAgain = time.Minute
)

// acmeCertificates obtains and renews certificates by ACME (RFC 8555). It proves the control of a
// name on the port itself, by TLS-ALPN-01 (RFC 8737).
type acmeCertificates struct {
	// Immutable.
	manager *autocert.Manager
	domains []string
	log     *slog.Logger
	ctx     context.Context // of all requests to the authority; ends with stop
	stop    context.CancelFunc

	mu sync.Mutex

	// Guarded by mu.
	leaves map[string]*x509.Certificate // by name, the certificates of the latest handshakes
	told   map[string]time.Time         // by name, when the missing certificate was logged
}

func fromACME(cfg config.Config, log *slog.Logger) (*secured, error) {
	if err := prepareCache(cfg.ACMECache); err != nil {
		return nil, fmt.Errorf("acme_cache: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // there is a request only every few weeks
	if cfg.ACMECA != "" {
		pool, err := readAuthorities(cfg.ACMECA)
		if err != nil {
			return nil, fmt.Errorf("acme_ca: %w", err)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	c := &acmeCertificates{
		domains: cfg.Domains(), log: log,
		leaves: make(map[string]*x509.Certificate), told: make(map[string]time.Time),
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.manager = &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(cfg.ACMECache),
		HostPolicy: autocert.HostWhitelist(c.domains...),
		Email:      cfg.ACMEEmail,
		Client: &acme.Client{
			DirectoryURL: cfg.ACMEDirectory,
			UserAgent:    "boreas",
			HTTPClient:   &http.Client{Transport: bounded{c.ctx, transport}, Timeout: acmeTimeout},
		},
	}
	if c.manager.Client.DirectoryURL == "" {
		c.manager.Client.DirectoryURL = acme.LetsEncryptURL
	}
	s := newSecured("ws", log)
	s.config.NextProtos = append(s.config.NextProtos, acme.ALPNProto)
	s.config.GetCertificate = c.get
	s.source = c
	return s, nil
}

// prepareCache creates the directory if necessary, and checks that it is writable. Without it, each
// start would request new certificates.
func prepareCache(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the directory for certificates: %w", err)
	}
	probe, err := os.CreateTemp(dir, ".probe-")
	if err != nil {
		return fmt.Errorf("cannot write to the directory for certificates: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// bounded sends requests that also end with ctx, besides their own contexts.
type bounded struct {
	ctx  context.Context
	next http.RoundTripper
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := b.ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(b.ctx, cancel)
	response, err := b.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		stop()
		cancel()
		return nil, err
	}
	// The body is read later. The request's own context, which has a time limit, ends the rest.
	context.AfterFunc(r.Context(), func() { stop(); cancel() })
	return response, nil
}

// get returns the certificate for a handshake.
func (c *acmeCertificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	cert, err := c.manager.GetCertificate(hello)
	name := hello.ServerName
	known := c.manager.HostPolicy(c.ctx, name) == nil
	if !known || asksForProof(hello) {
		return cert, err // not logged: any client can send any name
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.leaves[name] = cert.Leaf
		delete(c.told, name)
		return cert, nil
	}
	if now := time.Now(); c.ctx.Err() == nil && now.Sub(c.told[name]) >= acmeAgain {
		c.told[name] = now
		c.log.Error("the authority gave no certificate for the name: it must reach this server by that name on port 443; the server asks again at the next connection",
			"name", name, "directory", c.manager.Client.DirectoryURL, "error", err)
	}
	return nil, err
}

// asksForProof reports whether the authority connects to validate the name.
func asksForProof(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acme.ALPNProto
}

// prepare obtains the missing certificates. Otherwise the first clients would have to wait for
// them, and errors would be found only when these clients connect.
func (c *acmeCertificates) prepare(ctx context.Context) {
	context.AfterFunc(ctx, c.stop)
	for _, name := range c.domains {
		if ctx.Err() != nil {
			return
		}
		_, _ = c.get(&tls.ClientHelloInfo{ // get logs the error
			ServerName:       name,
			SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
			SupportedCurves:  []tls.CurveID{tls.CurveP256},
			CipherSuites:     []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		})
	}
}

func (c *acmeCertificates) leaf() (first *x509.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, leaf := range c.leaves {
		if first == nil || leaf.NotAfter.Before(first.NotAfter) {
			first = leaf
		}
	}
	return first
}
