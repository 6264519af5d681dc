package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/testca"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// writePair writes a pair to a new directory.
func writePair(t *testing.T, p testca.Pair) (cert, key string) {
	t.Helper()
	cert, key, err := p.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// withTLS starts a server with TLS on both ports.
func withTLS(t *testing.T, a *testca.Authority, o Options, change func(*config.Config)) *Server {
	t.Helper()
	cert, key := writePair(t, a.Issue("localhost", time.Hour))
	return start(t, testConfig(func(c *config.Config) {
		c.APITLSCert, c.APITLSKey, c.WSTLSCert, c.WSTLSKey = cert, key, cert, key
		if change != nil {
			change(c)
		}
	}), o)
}

// tlsClient returns a client for HTTP/2 or HTTP/1.1 that trusts the authority.
func tlsClient(t *testing.T, config *tls.Config, http2 bool) *http.Client {
	transport := &http.Transport{TLSClientConfig: config, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetHTTP2(http2)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func fetch(t *testing.T, c *http.Client, url string) (status int, proto, body string) {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, r.Proto, string(text)
}

func TestAPIOverTLS(t *testing.T) {
	a := testca.New()
	s := withTLS(t, a, Options{}, nil)
	for proto, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		status, got, body := fetch(t, tlsClient(t, &tls.Config{RootCAs: a.Pool()}, http2), "https://"+s.APIAddr().String()+"/healthz")
		if status != http.StatusOK || got != proto {
			t.Errorf("%d over %s, want 200 over %s: %s", status, got, proto, body)
		}
	}
}

// TestOldVersionsOfTLS: insecure versions of TLS are refused.
func TestOldVersionsOfTLS(t *testing.T) {
	a := testca.New()
	s := withTLS(t, a, Options{}, nil)
	for _, address := range []string{s.APIAddr().String(), s.WSAddr().String()} {
		c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: a.Pool(), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		if err == nil {
			t.Errorf("%s accepts TLS %x", address, c.ConnectionState().Version)
			c.Close()
		}
	}
}

// TestPlainAndTLSMixedUp: a client with the wrong scheme gets an error that says so.
func TestPlainAndTLSMixedUp(t *testing.T) {
	a := testca.New()
	s, plain := withTLS(t, a, Options{}, nil), start(t, testConfig(nil), Options{})
	_, _, body := fetch(t, tlsClient(t, nil, false), "http://"+s.APIAddr().String()+"/")
	if want := "Client sent an HTTP request to an HTTPS server.\n"; body != want {
		t.Errorf("plain HTTP to TLS: %q, want %q", body, want)
	}
	_, err := tlsClient(t, &tls.Config{RootCAs: a.Pool()}, false).Get("https://" + plain.APIAddr().String() + "/")
	if err == nil || !strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		t.Errorf("TLS to plain HTTP: %v", err)
	}
}

// TestWebSocketsOverTLS: sessions over TLS receive messages of all sizes, and a close frame.
func TestWebSocketsOverTLS(t *testing.T) {
	a := testca.New()
	s := withTLS(t, a, Options{}, func(c *config.Config) { c.RequireAuth = false })
	c := wstest.Dial(t, "wss://"+s.WSAddr().String(), wstest.Options{TLS: &tls.Config{RootCAs: a.Pool()}})
	c.Send(`{"channels": {"join": ["news"], "leave": []}}`)
	waitUntil(t, func() bool { return len(s.Hub().ChannelIdentities("news")) == 1 })
	for _, size := range []int{1, 16 << 10, 300 << 10, 2} {
		payload := `"` + strings.Repeat("x", size) + `"`
		if _, err := s.Hub().Publish(t.Context(), "news", engine.Message{Data: []byte(payload)}); err != nil {
			t.Fatal(err)
		}
		if got := c.Read(); !strings.Contains(got, payload) {
			t.Fatalf("a message of %d bytes: %d came", size, len(got))
		}
	}
}

// TestEventsShareAConnection opens more streams on one HTTP/2 connection than the server allows
// connections. They do not count as connections, and a refusal does not end the others.
func TestEventsShareAConnection(t *testing.T) {
	const streams = 20
	a := testca.New()
	s := withTLS(t, a, Options{}, func(c *config.Config) { c.RequireAuth = false })
	c := tlsClient(t, &tls.Config{RootCAs: a.Pool()}, true)
	base := "https://" + s.WSAddr().String()
	var bodies []*bufio.Reader
	for range streams {
		r, err := c.Get(base + "/v2/events?channel=news")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if r.Proto != "HTTP/2.0" || r.StatusCode != http.StatusOK {
			t.Fatalf("%s over %s", r.Status, r.Proto)
		}
		bodies = append(bodies, bufio.NewReader(r.Body))
	}
	if n := s.sharing.Load(); n != streams {
		t.Errorf("%d streams share a connection, want %d", n, streams)
	}
	if n := s.Hub().Sessions(); n != streams {
		t.Errorf("there are %d sessions, want %d", n, streams)
	}
	reused := func(path string) bool {
		var again bool
		trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { again = c.Reused }}
		r, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", base+path, nil)
		response, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return again
	}
	for _, path := range []string{"/boreas.js", "/v2/events", "/v2", "/", "/boreas.js"} {
		if !reused(path) {
			t.Errorf("the connection ended before the request of %s", path)
		}
	}
	s.Hub().Publish(t.Context(), "news", engine.Message{Data: []byte(`"over HTTP/2"`)})
	for i, b := range bodies {
		for line := ""; !strings.Contains(line, "over HTTP/2"); {
			var err error
			if line, err = b.ReadString('\n'); err != nil {
				t.Fatalf("stream %d: %v", i, err)
			}
		}
	}
}

// TestMutualTLS connects with a certificate of the right authority, of a wrong one, and without
// one.
func TestMutualTLS(t *testing.T) {
	servers, backends, strangers := testca.New(), testca.New(), testca.New()
	caFile := t.TempDir() + "/ca.pem"
	write := func(text []byte) {
		if err := os.WriteFile(caFile, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(backends.PEM())
	s := withTLS(t, servers, Options{}, func(c *config.Config) { c.APIClientCA = caFile })
	ask := func(pair *testca.Pair) string {
		config := &tls.Config{RootCAs: servers.Pool()}
		if pair != nil {
			cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
			if err != nil {
				t.Fatal(err)
			}
			// even if the server asks for another certificate
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
		}
		r, err := tlsClient(t, config, false).Get("https://" + s.APIAddr().String() + "/healthz")
		if err != nil {
			return err.Error()[strings.LastIndex(err.Error(), "remote error"):]
		}
		r.Body.Close()
		return r.Status
	}
	backend, stranger := backends.Issue("backend", time.Hour), strangers.Issue("stranger", time.Hour)
	expired := backends.Issue("expired", -time.Minute)
	got := []string{ask(nil), ask(&backend), ask(&stranger), ask(&expired)}
	want := []string{"remote error: tls: certificate required", "200 OK", "remote error: tls: unknown certificate authority", "remote error: tls: expired certificate"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("without, right, wrong, expired (-want +got):\n%s", diff)
	}
	// Subscribers need no certificate.
	c, err := tls.Dial("tcp", s.WSAddr().String(), &tls.Config{RootCAs: servers.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestAuthoritiesAreReadAgain removes an authority from the file.
func TestAuthoritiesAreReadAgain(t *testing.T) {
	one, other := testca.New(), testca.New()
	file := t.TempDir() + "/ca.pem"
	os.WriteFile(file, one.PEM(), 0o600)
	w, err := watch("api_client_ca", slog.New(slog.DiscardHandler), func() (*x509.CertPool, error) { return readAuthorities(file) }, file)
	if err != nil {
		t.Fatal(err)
	}
	w.every = 0
	if !w.get().Equal(one.Pool()) {
		t.Error("the authority in the file is not accepted")
	}
	os.WriteFile(file, other.PEM(), 0o600)
	if !w.get().Equal(other.Pool()) {
		t.Error("the removed authority is still accepted")
	}
}

// TestInvalidTLSFiles starts servers with invalid files.
func TestFilesThatStopTheStart(t *testing.T) {
	a := testca.New()
	dir := t.TempDir() + "/"
	one, other := a.Issue("one", time.Hour), a.Issue("other", time.Hour)
	for name, text := range map[string][]byte{"cert": one.Cert, "key": one.Key, "key2": other.Key, "junk": []byte("junk")} {
		os.WriteFile(dir+name, text, 0o600)
	}
	tests := []struct {
		change func(*config.Config)
		want   string
	}{
		{
			func(c *config.Config) { c.JWTDefaultRules = `[{"channels":["a"]}]` }, // also without jwt_keys
			`the default rules of JWTs: rule 1, for "a", neither allows nor denies anything`,
		},
		{
			func(c *config.Config) { c.WSTLSCert, c.WSTLSKey = dir+"no", dir+"key" },
			"ws_tls_cert, ws_tls_key: cannot read the certificate DIR/no: no such file or directory",
		},
		{
			func(c *config.Config) { c.APITLSCert, c.APITLSKey = dir+"cert", dir+"no" },
			"api_tls_cert, api_tls_key: cannot read the private key DIR/no: no such file or directory",
		},
		{
			func(c *config.Config) { c.WSTLSCert, c.WSTLSKey = dir+"cert", dir+"key2" },
			"ws_tls_cert, ws_tls_key: DIR/cert and DIR/key2 are not a certificate and its private key in PEM: tls: private key does not match public key",
		},
		{
			func(c *config.Config) { c.APITLSCert, c.APITLSKey, c.APIClientCA = dir+"cert", dir+"key", dir+"junk" },
			"api_client_ca: DIR/junk has no certificate in PEM",
		},
		{
			func(c *config.Config) { c.ACMEDomains, c.ACMECache = "a.example", dir+"cert" },
			"acme_cache: cannot make the directory for certificates: mkdir DIR/cert: not a directory",
		},
		{
			func(c *config.Config) { c.ACMEDomains, c.ACMECache, c.ACMECA = "a.example", dir+"cache", dir+"junk" },
			"acme_ca: DIR/junk has no certificate in PEM",
		},
	}
	for _, test := range tests {
		s, err := Start(t.Context(), testConfig(test.change), Options{})
		if err == nil {
			s.Shutdown(context.Background())
			t.Errorf("it has started, want %s", test.want)
			continue
		}
		if diff := cmp.Diff(test.want, strings.ReplaceAll(err.Error(), dir, "DIR/")); diff != "" {
			t.Error(diff)
		}
	}
}

// TestBannerWithTLS: the banner and the log show that the ports have TLS.
func TestBannerWithTLS(t *testing.T) {
	var banner bytes.Buffer
	logger, log := testlog.New()
	s := withTLS(t, testca.New(), Options{Banner: &banner, Log: logger}, nil)
	api, ws := "https://"+s.APIAddr().String(), "wss://"+s.WSAddr().String()
	want := "API endpoint configured to listen on " + api + "\nWebSocket endpoint configured to listen on " + ws + "\nRunning...\nThe operator's page is at " + api + "/ui\n"
	if !strings.HasSuffix(banner.String(), want) {
		t.Errorf("got %s, want at its end %s", banner.String(), want)
	}
	if all := strings.Join(log.Lines(), "\n"); !strings.Contains(all, "msg=running api="+api+" ws="+ws+" ") {
		t.Errorf("logged: %s", all)
	}
}

// TestFailedHandshakes: failed handshakes are counted, but a scan of the port does not fill the
// log.
func TestFailedHandshakes(t *testing.T) {
	logger, log := testlog.New()
	s := withTLS(t, testca.New(), Options{Log: logger}, nil)
	before := len(log.Lines())
	for range 3 {
		if c, err := tls.Dial("tcp", s.WSAddr().String(), nil); err == nil { // does not trust the authority
			c.Close()
		}
	}
	waitUntil(t, func() bool { return s.ws.tls.failed.Load() == 3 })
	if more := log.Lines()[before:]; len(more) > 0 {
		t.Errorf("logged: %s", more)
	}
}
