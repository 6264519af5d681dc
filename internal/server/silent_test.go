package server

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/testca"
)

// TestSilentConnectionsDelayNobody: a silent peer does not delay other clients, whether a PROXY
// protocol header, a TLS handshake or a request is expected from it.
func TestSilentConnectionsDelayNobody(t *testing.T) {
	const silent = 200
	a := testca.New()
	for _, c := range []struct {
		name           string
		proxied, https bool
		sent           string // what the silent peers have sent before
	}{
		{"plain", false, false, ""},
		{"plain, in a request", false, false, "GET / HT"},
		{"TLS", false, true, ""},
		{"PROXY", true, false, ""},
		{"PROXY, in the header", true, false, "PROXY TCP4 192."},
		{"PROXY, after the header", true, false, "PROXY TCP4 192.0.2.7 127.0.0.1 5555 8002\r\n"},
		{"PROXY and TLS", true, true, ""},
		{"PROXY and TLS, in the header", true, true, "\r\n\r\n\x00\r\nQUIT\n\x21"},
		{"PROXY and TLS, after the header", true, true, "PROXY TCP4 192.0.2.7 127.0.0.1 5555 8002\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			change := func(cfg *config.Config) {
				cfg.HeaderTimeout = time.Hour // no silent peer times out during the test
				cfg.AddressAccepts = 0
				if c.proxied {
					cfg.TrustedProxies, cfg.ProxyProtocol = "127.0.0.0/8", true
				}
			}
			var s *Server
			scheme := "http://"
			if c.https {
				scheme = "https://"
				s = withTLS(t, a, Options{}, change)
			} else {
				s = start(t, testConfig(change), Options{})
			}
			for range silent {
				conn, err := net.Dial("tcp", s.WSAddr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := io.WriteString(conn, c.sent); err != nil {
					t.Fatal(err)
				}
			}
			client := tlsClient(t, &tls.Config{RootCAs: a.Pool()}, false)
			client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				if err == nil && c.proxied {
					_, err = io.WriteString(conn, "PROXY TCP4 192.0.2.8 127.0.0.1 5555 8002\r\n")
				}
				return conn, err
			}
			client.Timeout = 20 * time.Second // within the test's own
			status, _, body := fetch(t, client, scheme+s.WSAddr().String()+"/boreas.js")
			if status != 200 || !strings.Contains(body, "Boreas") {
				t.Errorf("%d %.100s", status, body)
			}
		})
	}
}
