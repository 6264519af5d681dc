package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/testport"
)

func TestQuick(t *testing.T) {
	answer := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method+" "+r.URL.Path != "GET /readyz" {
				status = http.StatusTeapot
			}
			w.WriteHeader(status)
			io.WriteString(w, text)
		}
	}
	for name, test := range map[string]struct {
		api, ws http.HandlerFunc // nil means a port on which nothing listens
		tls     bool
		change  func(*config.Config)
		want    string
	}{
		"ready":     {api: answer(200, "ok\n"), want: "the server at API is ready"},
		"not ready": {api: answer(503, "the engine is\naway\n"), want: "error: the server at API is not ready: 503 Service Unavailable: the engine is away"},
		"stopped":   {want: "error: the server at API cannot be reached: dial tcp API: connect: connection refused"},
		"all addresses": {
			api: answer(200, "ok\n"), change: func(c *config.Config) { c.APIHost = "" },
			want: "the server at API is ready",
		},
		"TLS, with a certificate that this machine does not trust": {
			api: answer(200, "ok\n"), tls: true, change: func(c *config.Config) { c.APITLSCert = "api.pem" },
			want: "the server at API is ready",
		},
		"TLS, and the server has none": {
			api: answer(200, "ok\n"), change: func(c *config.Config) { c.APITLSCert = "api.pem" },
			want: "error: the server at API cannot be reached: tls: first record does not look like a TLS handshake",
		},
		"the API needs a certificate of the client": {
			ws: answer(200, "ok\n"), change: func(c *config.Config) { c.APITLSCert, c.APIClientCA = "api.pem", "ca.pem" },
			want: "the server at WS is ready",
		},
		"any port": {
			change: func(c *config.Config) { c.APIPort = 0 },
			want:   "error: api_port is 0, so the server chose its port by itself and nobody can find it: set api_port to a number",
		},
		"a long answer": {
			api:  answer(500, strings.Repeat("x", 2*maxReason)),
			want: "error: the server at API is not ready: 500 Internal Server Error: " + strings.Repeat("x", maxReason),
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			start := func(h http.HandlerFunc) (host string, port int) {
				if h == nil { // a port that no other test gets
					held, err := testport.Hold(1)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(held[0].Release)
					return "127.0.0.1", held[0].Port
				}
				s := httptest.NewUnstartedServer(h)
				t.Cleanup(s.Close)
				if test.tls {
					s.StartTLS()
				} else {
					s.Start()
				}
				host, text, _ := net.SplitHostPort(s.Listener.Addr().String())
				port, _ = strconv.Atoi(text)
				return host, port
			}
			cfg.APIHost, cfg.APIPort = start(test.api)
			cfg.WSHost, cfg.WSPort = start(test.ws)
			api, ws := cfg.APIAddr(), cfg.WSAddr()
			if test.change != nil {
				test.change(&cfg)
			}
			got, err := Quick(context.Background(), cfg)
			if err != nil {
				got += "error: " + err.Error()
			}
			if got = strings.NewReplacer(api, "API", ws, "WS").Replace(got); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestQuickBehindAProxy: the server takes the check for a proxy, and requires its header. A name
// selects the certificate.
func TestQuickBehindAProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		line, _ := r.ReadString('\n')
		hello := tls.Server(buffered{c, r}, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			heard <- strings.TrimSpace(line) + ", " + h.ServerName
			return nil, io.ErrUnexpectedEOF
		}})
		hello.Handshake()
	}()
	cfg := config.Default()
	cfg.APIClientCA, cfg.ACMEDomains = "ca.pem", "push.example.com,example.com"
	cfg.ProxyProtocol, cfg.TrustedProxies = true, "127.0.0.0/8"
	cfg.WSHost, cfg.WSPort = "0.0.0.0", l.Addr().(*net.TCPAddr).Port
	if _, err := Quick(context.Background(), cfg); err == nil {
		t.Error("Quick accepts a handshake that has failed")
	}
	if got, want := <-heard, "PROXY UNKNOWN, push.example.com"; got != want {
		t.Errorf("the server has heard %q, want %q", got, want)
	}
}

type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

func TestQuickDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), quickTimeout)
		defer cancel()
		p := quickPort{host: "127.0.0.1", number: 1, connect: func(context.Context, string, string) (net.Conn, error) {
			silent, server := net.Pipe()
			go io.Copy(io.Discard, server)
			return silent, nil
		}}
		_, err := p.ask(ctx)
		if want := "the server at 127.0.0.1:1 has not answered within 3s"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}
