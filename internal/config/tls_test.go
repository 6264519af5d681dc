package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTLSOptionsThatDoNotFit sets TLS options that contradict each other.
func TestTLSOptionsThatDoNotFit(t *testing.T) {
	const (
		pair      = "TLS needs both files, the certificate and its private key"
		noDomains = "acme_domains is not: it only applies to certificates that the server obtains for those names"
	)
	tests := []struct{ flags, want string }{
		{"ws_tls_cert=a", "--ws-tls-cert: ws_tls_cert is given and ws_tls_key is not: " + pair},
		{"ws_tls_key=a", "--ws-tls-key: ws_tls_key is given and ws_tls_cert is not: " + pair},
		{"api_tls_cert=a", "--api-tls-cert: api_tls_cert is given and api_tls_key is not: " + pair},
		{"api_tls_key=a", "--api-tls-key: api_tls_key is given and api_tls_cert is not: " + pair},
		{"api_client_ca=a", "--api-client-ca: api_client_ca is given and api_tls_cert is not: clients send certificates only over TLS"},
		{
			"acme_domains=a.example",
			"--acme-domains: acme_domains is given and acme_cache is not: without a directory to store them, each start would request new certificates, and authorities issue only a few per week",
		},
		{"acme_cache=a", "--acme-cache: acme_cache is given and " + noDomains},
		{"acme_email=a@b.example", "--acme-email: acme_email is given and " + noDomains},
		{"acme_ca=a", "--acme-ca: acme_ca is given and " + noDomains},
		{"acme_directory=https://a/d", "--acme-directory: acme_directory is given and " + noDomains},
		{
			"acme_domains=a.example acme_cache=c ws_tls_cert=a ws_tls_key=b",
			"--acme-domains: acme_domains and ws_tls_cert are given, and both are for the port for subscribers: keep one of them",
		},
		{"ws_tls_cert=a ws_tls_key=b api_tls_cert=c api_tls_key=d api_client_ca=e", ""},
		{"acme_domains=a.example acme_cache=c api_tls_cert=c api_tls_key=d", ""},
	}
	for _, test := range tests {
		t.Run(test.flags, func(t *testing.T) {
			flags := make(map[string]string)
			for _, f := range strings.Fields(test.flags) {
				name, value, _ := strings.Cut(f, "=")
				flags[name] = value
			}
			_, err := Load(Input{Flags: flags, Dir: t.TempDir()})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBadTLSFlag(t *testing.T) {
	const wantDomains = "--acme-domains: want names such as push.example.com, separated by commas, not "
	const wantDirectory = "--acme-directory: want https://URL (empty means Let's Encrypt), not "
	tests := []struct{ option, value, want string }{
		{"acme_domains", "a.example,", wantDomains + `"a.example,": an entry is empty: remove the extra comma`},
		{"acme_domains", "*.a.example", wantDomains + `"*.a.example": the server cannot get certificates for patterns: list each name`},
		{"acme_domains", "https://a.example", wantDomains + `"https://a.example": "https://a.example": omit the scheme, the port and everything after the name`},
		{"acme_domains", "10.0.0.1", wantDomains + `"10.0.0.1": "10.0.0.1" is an address: certificates are for names`},
		{"acme_domains", "a b.example", wantDomains + `"a b.example": "a b.example": a host name has letters, digits, dots and dashes`},
		{"acme_domains", "localhost", wantDomains + `"localhost": "localhost": a public name has a dot`},
		{"acme_email", "me", `--acme-email: want an e-mail address, not "me": such as ops@example.com`},
		{"acme_directory", "http://a/d", wantDirectory + `"http://a/d": give the full address of the directory, beginning with https://`},
	}
	for _, test := range tests {
		t.Run(test.option+" "+test.value, func(t *testing.T) {
			_, err := Load(Input{Flags: map[string]string{test.option: test.value}, Dir: t.TempDir()})
			checkError(t, err, test.want)
		})
	}
}

func TestDomains(t *testing.T) {
	c := mustLoad(t, Input{Flags: map[string]string{"acme_domains": "a.example, b.example", "acme_cache": "c"}, Dir: t.TempDir()})
	if diff := cmp.Diff([]string{"a.example", "b.example"}, c.Domains()); diff != "" {
		t.Error(diff)
	}
}
