package server

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/testca"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// shown returns the name in the certificate of a handshake.
func shown(t *testing.T, s *Server, roots *x509.CertPool) string {
	t.Helper()
	c, err := tls.Dial("tcp", s.WSAddr().String(), &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].DNSNames[0]
}

// TestCertificateIsReadAgain replaces one file after the other, damages them and repairs them. In
// between, every client gets a valid certificate.
func TestCertificateIsReadAgain(t *testing.T) {
	a := testca.New()
	logger, log := testlog.New()
	s := withTLS(t, a, Options{Log: logger}, nil)
	cert, key := s.cfg.WSTLSCert, s.cfg.WSTLSKey
	source := s.ws.tls.source.(files)
	source.mu.Lock()
	source.every = 0
	source.mu.Unlock()
	before := len(log.Lines())
	write := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	look := func() { got = append(got, shown(t, s, a.Pool())) }
	second, third := a.Issue("second", time.Hour), a.Issue("third", time.Hour)

	look()
	write(cert, second.Cert)
	look() // only one of the two files is new
	look() // the second handshake does not log again
	write(key, second.Key)
	look()
	write(cert, []byte("junk"))
	look()
	os.Remove(cert)
	look()
	write(cert, third.Cert)
	write(key, third.Key)
	look()
	want := []string{"localhost", "localhost", "localhost", "second", "second", "second", "third"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the certificates (-want +got):\n%s", diff)
	}
	const stays = `level=ERROR msg="the certificate of the port has changed and cannot be used; the server continues with the previous version" port=ws error="`
	wantLog := []string{
		stays + `CERT and KEY are not a certificate and its private key in PEM: tls: private key does not match public key"`,
		stays + `CERT and KEY are not a certificate and its private key in PEM: tls: failed to find any PEM data in certificate input"`,
		stays + `cannot read the certificate CERT: no such file or directory"`,
	}
	gotLog := log.Lines()[before:]
	for i := range gotLog {
		gotLog[i] = strings.NewReplacer(cert, "CERT", key, "KEY").Replace(gotLog[i])
	}
	if diff := cmp.Diff(wantLog, gotLog); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
}

// TestFilesAreReadWhenTheyChange: unchanged files are not read again.
func TestFilesAreReadWhenTheyChange(t *testing.T) {
	file := t.TempDir() + "/file"
	os.WriteFile(file, []byte("x"), 0o600)
	long := time.Now().Add(-time.Hour)
	os.Chtimes(file, long, long)
	n := 0
	w, err := watch("it", slog.New(slog.DiscardHandler), func() (*int, error) { n++; return &n, nil }, file)
	if err != nil {
		t.Fatal(err)
	}
	look := func(after time.Duration) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.look(time.Now().Add(after))
	}
	look(0)
	look(time.Hour)
	if n != 1 {
		t.Errorf("the file was read %d times, want once", n)
	}
	os.Chtimes(file, long.Add(time.Second), long.Add(time.Second))
	look(0)
	look(0)
	if n != 2 {
		t.Errorf("after a change the file was read %d times, want twice", n)
	}
	now := time.Now()
	os.Chtimes(file, now, now)
	look(0)
	look(0) // the file may have been written again at the same time
	look(time.Hour)
	if n != 4 {
		t.Errorf("after a recent change the file was read %d times, want 4", n)
	}
	w.looked = time.Now()
	os.Chtimes(file, long, long)
	if w.get(); n != 4 {
		t.Error("the file was checked twice within a second")
	}
}

// TestExpiryIsLogged: the expiry is logged in advance, once a day, for each certificate.
func TestExpiryIsTold(t *testing.T) {
	logger, log := testlog.New()
	e := expiry{log: logger}
	parse := func(life time.Duration) *x509.Certificate {
		block, _ := pem.Decode(testca.New().Issue("x", life).Cert)
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return leaf
	}
	const day = 24 * time.Hour
	long, short := parse(90*day), parse(4*day)
	told := func(leaf *x509.Certificate, before time.Duration) string {
		n := len(log.Lines())
		e.look("ws", leaf, leaf.NotAfter.Add(-before))
		if lines := log.Lines()[n:]; len(lines) > 0 {
			level, _, _ := strings.Cut(lines[0], " ")
			return level
		}
		return ""
	}
	got := []string{
		told(long, 15*day), told(long, 13*day), told(long, 13*day-time.Hour), told(long, 12*day-time.Hour),
		told(short, 2*day), told(short, 20*time.Hour), told(short, -10*time.Hour), told(short, -11*time.Hour), told(long, -time.Hour),
	}
	want := []string{"", "level=WARN", "", "level=WARN", "", "level=WARN", "level=ERROR", "", "level=ERROR"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestExpiryIsAMetric: the metric is about the current certificate.
func TestExpiryIsAMetric(t *testing.T) {
	s := withTLS(t, testca.New(), Options{}, func(c *config.Config) { c.APITLSCert = "" })
	_, body := call(t, s, "GET", "/metrics", "")
	for _, want := range []string{`boreas_tls_certificate_expires_seconds{port="ws"} 35`, `boreas_tls_handshakes_failed_total{port="ws"} 0`} {
		if !strings.Contains(body, want) { // 35..: slightly less than an hour
			t.Errorf("the metric %s is missing", want)
		}
	}
	if strings.Contains(body, `_seconds{port="api"`) {
		t.Error("there are metrics of TLS for the API, which has no TLS")
	}
}
