package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// certificate returns a self-signed certificate and a pool that trusts it.
func certificate(t *testing.T, template x509.Certificate) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.IsCA, template.BasicConstraintsValid = big.NewInt(1), true, true
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestCertificates(t *testing.T) {
	const day = 24 * time.Hour
	here := []net.IP{net.IPv4(127, 0, 0, 1)}
	// A host with a wrong certificate is not used by other checks.
	wrong := func(text, do string) map[string]string {
		return map[string]string{
			"tls": "FAILED: API: " + text + "\n  " + do + "\nFAILED: WS: " + text + "\n  " + do,
			"api": "skipped: not checked, because TLS does not work", "ready": outOfReach, "key": outOfReach, "clock": outOfReach,
			"websocket": "skipped: not checked, because TLS does not work", "origin": "skipped: no --origin was given",
			"events": "skipped: not checked, because TLS does not work", "descriptors": noKey, "token": "skipped: no token was given",
		}
	}
	right := func(tls string) map[string]string {
		want := map[string]string{"tls": tls}
		for check, text := range healthy {
			if want[check] == "" {
				want[check] = strings.Replace(text, "http://", "https://", 1)
			}
		}
		return want
	}
	for name, test := range map[string]struct {
		certificate x509.Certificate
		untrusted   bool
		want        map[string]string
	}{
		"valid": {
			certificate: x509.Certificate{IPAddresses: here, NotBefore: now.Add(-day), NotAfter: now.Add(90 * day)},
			want:        right("ok: API: TLS 1.3, the certificate is valid for 90 days\nok: WS: TLS 1.3, the certificate is valid for 90 days"),
		},
		"soon expired": {
			certificate: x509.Certificate{IPAddresses: here, NotBefore: now.Add(-day), NotAfter: now.Add(14*day - time.Second)},
			want: right("warning: API: TLS 1.3, the certificate is valid for 13 days\n  " + renew +
				"\nwarning: WS: TLS 1.3, the certificate is valid for 13 days\n  " + renew),
		},
		"expired": {
			certificate: x509.Certificate{IPAddresses: here, NotBefore: now.Add(-9 * day), NotAfter: now.Add(-3 * day)},
			want:        wrong("the certificate expired 3 days ago", "Renew it."),
		},
		"not valid yet": {
			certificate: x509.Certificate{IPAddresses: here, NotBefore: now.Add(day), NotAfter: now.Add(3 * day)},
			want:        wrong("the certificate is not valid yet", "Check this machine's clock."),
		},
		"another name": {
			certificate: x509.Certificate{DNSNames: []string{"a.example"}, NotBefore: now.Add(-day), NotAfter: now.Add(90 * day)},
			want: wrong("the certificate is for [a.example], not for 127.0.0.1",
				"Use a URL with a name of the certificate, or get a certificate for this name."),
		},
		"not trusted": {
			certificate: x509.Certificate{IPAddresses: here, NotBefore: now.Add(-day), NotAfter: now.Add(90 * day)}, untrusted: true,
			want: wrong("the certificate was not signed by an authority that this machine trusts",
				"Serve the whole chain with all intermediate certificates, or let clients trust your own authority."),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cert, pool := certificate(t, test.certificate)
			if test.untrusted {
				pool = x509.NewCertPool()
			}
			f := newFake()
			f.start(t, func(s *httptest.Server) {
				s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
				s.StartTLS()
			})
			o := Options{API: f.api.URL, WS: "wss" + strings.TrimPrefix(f.ws.URL, "https"), Roots: pool, Wait: 20 * time.Second}
			if diff := cmp.Diff(test.want, examine(t, f, o)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTLSOnOneSideOnly(t *testing.T) {
	f := newFake()
	f.start(t, (*httptest.Server).Start)
	got := examine(t, f, Options{API: "https" + strings.TrimPrefix(f.api.URL, "http"), WS: "ws" + strings.TrimPrefix(f.ws.URL, "http"), Wait: 20 * time.Second})
	want := "FAILED: API does not speak TLS\n  Give the URL with http:// or ws://, or turn TLS on there.\nok: WS is on this machine and needs no TLS"
	if diff := cmp.Diff(want, got["tls"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	cert, _ := certificate(t, x509.Certificate{NotBefore: now, NotAfter: now.Add(time.Hour)})
	f = newFake()
	f.start(t, func(s *httptest.Server) {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		s.StartTLS()
	})
	got = examine(t, f, Options{API: "http" + strings.TrimPrefix(f.api.URL, "https"), WS: "ws" + strings.TrimPrefix(f.ws.URL, "https"), Wait: 20 * time.Second})
	if diff := cmp.Diff("FAILED: API speaks TLS\n  Give the URL with https://.", got["api"]); diff != "" {
		t.Errorf("api (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("FAILED: WS speaks TLS\n  Give the URL with wss://.", got["websocket"]); diff != "" {
		t.Errorf("websocket (-want +got):\n%s", diff)
	}
}
