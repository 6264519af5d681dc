package config

import (
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"strings"
)

const domainForm = "names such as push.example.com, separated by commas"

// APITLS reports whether the API is served over TLS.
func (c Config) APITLS() bool { return c.APITLSCert != "" }

// WSTLS reports whether subscribers are served over TLS.
func (c Config) WSTLS() bool { return c.WSTLSCert != "" || c.ACMEDomains != "" }

// Domains returns the names in acme_domains.
func (c Config) Domains() []string {
	return strings.FieldsFunc(c.ACMEDomains, func(r rune) bool { return r == ',' || r == ' ' })
}

// checkDomains checks that a certificate could be issued for each name in a list.
func checkDomains(list string) error {
	if list == "" {
		return nil
	}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.Trim(name, " ")
		_, notAddress := netip.ParseAddr(name)
		switch {
		case name == "":
			return errors.New("an entry is empty: remove the extra comma")
		case strings.Contains(name, "*"):
			return errors.New("the server cannot get certificates for patterns: list each name")
		case strings.Contains(name, "/"), strings.Contains(name, ":"):
			return fmt.Errorf("%q: omit the scheme, the port and everything after the name", name)
		case notAddress == nil:
			return fmt.Errorf("%q is an address: certificates are for names", name)
		case !hostName.MatchString(name) || len(name) > 253:
			return fmt.Errorf("%q: a host name has letters, digits, dots and dashes", name)
		case !strings.Contains(strings.Trim(name, "."), "."):
			return fmt.Errorf("%q: a public name has a dot", name)
		}
	}
	return nil
}

func checkEmail(address string) error {
	if address == "" {
		return nil
	}
	if a, err := mail.ParseAddress(address); err != nil || a.Address != address {
		return errors.New("such as ops@example.com")
	}
	return nil
}

func checkDirectory(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return errors.New("give the full address of the directory, beginning with https://")
	}
	return nil
}

// checkTLS checks TLS options that depend on each other.
func (l *loader) checkTLS() {
	c := l.config
	// needs reports an error if the option name is set, but the option other, which it needs, is not.
	needs := func(name, value, other, otherValue, why string) {
		if value != "" && otherValue == "" {
			l.fail(&Error{Where: c.Origin(name), Message: fmt.Sprintf("%s is given and %s is not: %s", name, other, why)})
		}
	}
	const pair = "TLS needs both files, the certificate and its private key"
	needs("ws_tls_cert", c.WSTLSCert, "ws_tls_key", c.WSTLSKey, pair)
	needs("ws_tls_key", c.WSTLSKey, "ws_tls_cert", c.WSTLSCert, pair)
	needs("api_tls_cert", c.APITLSCert, "api_tls_key", c.APITLSKey, pair)
	needs("api_tls_key", c.APITLSKey, "api_tls_cert", c.APITLSCert, pair)
	needs("api_client_ca", c.APIClientCA, "api_tls_cert", c.APITLSCert, "clients send certificates only over TLS")
	needs("acme_domains", c.ACMEDomains, "acme_cache", c.ACMECache,
		"without a directory to store them, each start would request new certificates, and authorities issue only a few per week")
	const noDomains = "it only applies to certificates that the server obtains for those names"
	needs("acme_cache", c.ACMECache, "acme_domains", c.ACMEDomains, noDomains)
	needs("acme_email", c.ACMEEmail, "acme_domains", c.ACMEDomains, noDomains)
	needs("acme_directory", c.ACMEDirectory, "acme_domains", c.ACMEDomains, noDomains)
	needs("acme_ca", c.ACMECA, "acme_domains", c.ACMEDomains, noDomains)
	if c.ACMEDomains != "" && c.WSTLSCert != "" {
		l.fail(&Error{
			Where:   c.Origin("acme_domains"),
			Message: "acme_domains and ws_tls_cert are given, and both are for the port for subscribers: keep one of them",
		})
	}
}
