package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

const (
	// maxStreams is how many requests, including event streams, one HTTP/2 connection may have
	// under way. Some browsers and proxies work badly with fewer than 100 (RFC 9113, section
	// 6.5.2).
	maxStreams = 128

	// maxUpload is how many bytes one HTTP/2 request may send before the server reads them.
	// maxUploads is the same for all requests of a connection to the API. Requests on the
	// subscribers' port have no body.
	maxUpload  = 64 << 10
	maxUploads = 256 << 10

	// certificateTick is how often certificates are checked if no client connects.
	certificateTick = time.Minute
)

// secured is the TLS configuration of one port. nil means that the port has no TLS.
type secured struct {
	// Immutable once the port is served.
	port   string // "api" or "ws", as in the names of options
	config *tls.Config
	source certificates

	authorities interface{ reread() bool } // nil if clients need no certificates

	failed atomic.Uint64 // number of failed handshakes
	expiry expiry
}

// certificates is the source of a port's certificates.
type certificates interface {
	// leaf returns the certificate that expires first, or nil if there is none yet.
	leaf() *x509.Certificate

	// prepare obtains missing certificates. It ends with ctx.
	prepare(ctx context.Context)
}

// files is a source of certificates from files.
type files struct{ *watched[tls.Certificate] }

func (f files) leaf() *x509.Certificate { return f.get().Leaf }
func (f files) prepare(context.Context) {}

// secure reads the TLS files of both ports.
func (s *Server) secure() (err error) {
	if s.api.tls, err = secureAPI(s.cfg, s.log); err != nil {
		return err
	}
	s.ws.tls, err = secureWS(s.cfg, s.log)
	return err
}

// secureAPI returns the TLS configuration of the API. Errors name the option and the file.
func secureAPI(cfg config.Config, log *slog.Logger) (*secured, error) {
	if !cfg.APITLS() {
		return nil, nil
	}
	s, err := fromFiles("api", cfg.APITLSCert, cfg.APITLSKey, log)
	if err != nil || cfg.APIClientCA == "" {
		return s, err
	}
	if err := s.demandCertificates(cfg.APIClientCA, log); err != nil {
		return nil, err
	}
	return s, nil
}

// secureWS returns the TLS configuration of the subscribers' port.
func secureWS(cfg config.Config, log *slog.Logger) (*secured, error) {
	switch {
	case cfg.ACMEDomains != "":
		return fromACME(cfg, log)
	case cfg.WSTLS():
		return fromFiles("ws", cfg.WSTLSCert, cfg.WSTLSKey, log)
	}
	return nil, nil
}

func newSecured(port string, log *slog.Logger) *secured {
	return &secured{port: port, expiry: expiry{log: log}, config: &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		// Messages are sent in batches, so small records would only cost more.
		DynamicRecordSizingDisabled: true,
	}}
}

func fromFiles(port, cert, key string, log *slog.Logger) (*secured, error) {
	s := newSecured(port, log)
	pair, err := watch("the certificate of the port", log.With("port", port), func() (*tls.Certificate, error) { return readPair(cert, key) }, cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s_tls_cert, %s_tls_key: %w", port, port, err)
	}
	s.config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.get(), nil }
	s.source = files{pair}
	return s, nil
}

// demandCertificates makes the port accept only clients with a certificate from one of the
// authorities. TLS sessions are not resumed, so that an authority that is removed from the file is
// no longer accepted.
func (s *secured) demandCertificates(file string, log *slog.Logger) error {
	s.config.ClientAuth = tls.RequireAndVerifyClientCert
	s.config.SessionTicketsDisabled = true
	base := s.config.Clone()
	withAuthorities, err := watch("api_client_ca", log, func() (*tls.Config, error) {
		pool, err := readAuthorities(file)
		c := base.Clone()
		c.ClientCAs = pool
		return c, err
	}, file)
	if err != nil {
		return fmt.Errorf("api_client_ca: %w", err)
	}
	s.authorities = withAuthorities
	s.config.ClientCAs = withAuthorities.get().ClientCAs
	s.config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return withAuthorities.get(), nil }
	return nil
}

// apply makes h serve TLS, and limits the resources of an HTTP/2 connection. net/http itself limits
// endless resets of streams: it runs at most maxStreams handlers at once, and closes the connection
// if too many wait.
func (s *secured) apply(h *http.Server, cfg config.Config) {
	if s == nil {
		return
	}
	h.TLSConfig = s.config
	h.ErrorLog = s.errorLog(h.ErrorLog)
	h.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: maxStreams, WriteByteTimeout: writeTimeout}
	h.HTTP2.MaxReceiveBufferPerConnection, h.HTTP2.MaxReceiveBufferPerStream = maxUpload, maxUpload
	if s.port == "api" {
		h.HTTP2.MaxReceiveBufferPerConnection = maxUploads
	}
	if cfg.WSPingInterval > 0 {
		h.HTTP2.SendPingTimeout, h.HTTP2.PingTimeout = cfg.WSPingInterval, cfg.WSPingTimeout
	}
}

// reread reads the files of certificates and authorities now. It does nothing with a nil secured.
func (s *secured) reread() {
	if s == nil {
		return
	}
	if f, ok := s.source.(files); ok {
		f.reread()
	}
	if s.authorities != nil {
		s.authorities.reread()
	}
}

// run checks the certificate's expiry until ctx ends.
func (s *secured) run(ctx context.Context) {
	s.source.prepare(ctx)
	tick := time.NewTicker(certificateTick)
	defer tick.Stop()
	for {
		if leaf := s.source.leaf(); leaf != nil {
			s.expiry.look(s.port, leaf, time.Now())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// shown returns an address of the port for the banner. Without TLS it has the form of 2013.
func (s *secured) shown(scheme, address string) string {
	if s == nil {
		return address
	}
	return scheme + "://" + address
}

// secured returns the TLS configurations of the ports that have TLS.
func (s *Server) secured() []*secured {
	return slices.DeleteFunc([]*secured{s.api.tls, s.ws.tls}, func(t *secured) bool { return t == nil })
}
