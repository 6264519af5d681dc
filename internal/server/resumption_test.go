package server

import (
	"crypto/tls"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/testca"
)

// TestTLSSessionsResume: a client that comes back resumes its TLS session, which saves the server a
// signature, also after the certificate has been replaced.
func TestTLSSessionsResume(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			a := testca.New()
			s := withTLS(t, a, Options{}, nil)
			config := &tls.Config{RootCAs: a.Pool(), ServerName: "localhost", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			resumes := func() bool {
				c, err := tls.Dial("tcp", s.WSAddr().String(), config)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
				if _, err := io.ReadAll(c); err != nil { // the ticket comes before the response
					t.Fatal(err)
				}
				return c.ConnectionState().DidResume
			}
			got := []bool{resumes(), resumes()}
			if _, _, err := a.Issue("localhost", 2*time.Hour).Write(filepath.Dir(s.cfg.WSTLSCert)); err != nil {
				t.Fatal(err)
			}
			if err := s.Reload(s.cfg); err != nil {
				t.Fatal(err)
			}
			got = append(got, resumes())
			if diff := cmp.Diff([]bool{false, true, true}, got); diff != "" {
				t.Errorf("resumed (-want +got):\n%s", diff)
			}
		})
	}
}
