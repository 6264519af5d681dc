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

	"github.com/boreas-pubsub/boreas/internal/config"
)

const (
	// maxStreams is how many requests one connection of HTTP/2 may have under way, streams of
	// events among them; some browsers and proxies work badly with fewer than 100 (RFC 9113,
	// section 6.5.2).
	maxStreams = 128

	// maxUpload is how many bytes one HTTP/2 request may send before it is read, and maxUploads the
	// same for all requests of a connection to the API. Requests on the subscribers' port have no
	// body.
	maxUpload  = 64 << 10
	maxUploads = 256 << 10

	// certificateTick is how often certificates are looked at when nobody connects.
	certificateTick = time.Minute
)

// secured is what one port has for TLS: nil if it has none.
type secured struct {
	port   string // "api" or "ws", as in the names of options
	config *tls.Config
	source certificates
	failed atomic.Uint64 // handshakes
	expiry expiry
}

// certificates are where a port's certificate comes from.
type certificates interface {
	// leaf is the certificate that ends first; nil while there is none.
	leaf() *x509.Certificate

	// prepare gets what is not there yet. It ends with ctx.
	prepare(ctx context.Context)
}

// files are certificates from files.
type files struct{ *watched[tls.Certificate] }

func (f files) leaf() *x509.Certificate { return f.get().Leaf }
func (f files) prepare(context.Context) {}

// secure reads what both ports need for TLS.
func (s *Server) secure() (err error) {
	if s.api.tls, err = secureAPI(s.cfg, s.log); err != nil {
		return err
	}
	s.ws.tls, err = secureWS(s.cfg, s.log)
	return err
}

// secureAPI returns the API's TLS. Errors name the option and the file.
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

// secureWS is secureAPI for the subscribers' port.
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
		// Messages go out in batches: small records would only cost more.
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

// demandCertificates lets in only clients with a certificate of one of the authorities.
// Sessions are not resumed: an authority that is taken out of the file counts no more
// from then on.
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
	s.config.ClientCAs = withAuthorities.get().ClientCAs
	s.config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return withAuthorities.get(), nil }
	return nil
}

// apply makes h serve TLS, and bounds what a connection of HTTP/2 may take. Resets of
// streams without end are net/http's to bound: it runs no more handlers at once than
// there may be streams, and ends the connection when too many wait.
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

// run looks at the certificate until ctx ends.
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

// shown is an address of the port as the banner shows it. Without TLS it is as it was
// in 2013.
func (s *secured) shown(scheme, address string) string {
	if s == nil {
		return address
	}
	return scheme + "://" + address
}

// secured are the ports that have TLS.
func (s *Server) secured() []*secured {
	return slices.DeleteFunc([]*secured{s.api.tls, s.ws.tls}, func(t *secured) bool { return t == nil })
}
