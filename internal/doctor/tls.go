package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// certificateSoon is how long before its expiry a certificate should already have been renewed.
const certificateSoon = 14 * 24 * time.Hour

const renew = "Renew it, usually 30 days before its expiry. The server reads a new file without a restart."

// tls checks the certificates. It uses separate connections and sends nothing on them. The other
// checks do not use a host with an invalid certificate.
func (v *visit) tls(ctx context.Context, report reporter) {
	seen := make(map[string]bool)
	for _, u := range []*url.URL{v.api, v.ws} {
		if seen[u.Host] {
			continue
		}
		seen[u.Host] = true
		switch {
		case u.Scheme == "https" || u.Scheme == "wss":
			v.certificate(ctx, u, report)
		case onLoopback(u):
			report(OK, u.Host+" is on this machine and needs no TLS", "")
		default:
			report(Warning, u.Host+" has no TLS: others on the network can read keys, tokens and messages",
				"Give the server a certificate (options `api_tls_cert` and `ws_tls_cert`), or put a proxy with a certificate in front of it.")
		}
	}
}

// certificate checks the certificate of one host.
func (v *visit) certificate(ctx context.Context, u *url.URL, report reporter) {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	ctx, cancel := context.WithTimeout(ctx, v.o.Timeout)
	defer cancel()
	// distrust verifies the certificate afterwards, so that the finding can name the problem.
	var conn *tls.Conn
	raw, err := v.o.dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err == nil {
		defer raw.Close()
		conn = tls.Client(raw, &tls.Config{InsecureSkipVerify: true, ServerName: u.Hostname()})
		err = conn.HandshakeContext(ctx)
	}
	if err != nil {
		text, do := v.unreachable(u, err)
		report(Failed, text, do)
		v.distrusted[u.Host] = true
		return
	}
	state := conn.ConnectionState()
	leaf := state.PeerCertificates[0]
	if text, do := v.distrust(u.Hostname(), state.PeerCertificates); text != "" {
		report(Failed, u.Host+": "+text, do)
		v.distrusted[u.Host] = true
		return
	}
	left := leaf.NotAfter.Sub(v.o.Now())
	text := fmt.Sprintf("%s: %s, the certificate is valid for %d days", u.Host, tls.VersionName(state.Version), int(left.Hours()/24))
	if left < certificateSoon {
		report(Warning, text, renew)
		return
	}
	report(OK, text, "")
}

// distrust describes the problem of a certificate. It returns "" if there is none.
func (v *visit) distrust(host string, chain []*x509.Certificate) (text, do string) {
	leaf, now := chain[0], v.o.Now()
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	const days = 24 * time.Hour
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Sprintf("the certificate expired %d days ago", now.Sub(leaf.NotAfter)/days), "Renew it."
	case now.Before(leaf.NotBefore):
		return "the certificate is not valid yet", "Check this machine's clock."
	}
	if err := leaf.VerifyHostname(host); err != nil {
		return fmt.Sprintf("the certificate is for %s, not for %s", names(leaf), host), "Use a URL with a name of the certificate, or get a certificate for this name."
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: v.o.Roots, Intermediates: between, CurrentTime: now})
	if errors.As(err, new(x509.UnknownAuthorityError)) {
		return "the certificate was not signed by an authority that this machine trusts",
			"Serve the whole chain with all intermediate certificates, or let clients trust your own authority."
	}
	if err != nil {
		return fmt.Sprintf("the certificate is not valid: %v", err), "Get another one."
	}
	return "", ""
}

// names returns the names in a certificate.
func names(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 {
		return fmt.Sprint(c.DNSNames)
	}
	return fmt.Sprint(c.IPAddresses)
}
