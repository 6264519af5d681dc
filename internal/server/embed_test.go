package server

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/embed"
	"github.com/boreas-pubsub/boreas/v2/internal/testca"
)

func TestEmbedOptions(t *testing.T) {
	dir := t.TempDir()
	authority := testca.New()
	cert, key, err := authority.Issue("n1", time.Hour).Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"ca": string(authority.PEM()), "secret": "0123456789abcdef\n", "short": "0123\n"}
	for name, text := range files {
		files[name] = filepath.Join(dir, name)
		if err := os.WriteFile(files[name], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flags := map[string]string{
		"cluster_peers": "n1,n2,n3:7", "node": "n2", "data_dir": "d", "cluster_secret": "file:" + files["secret"], "cluster_listen": ":8",
		"sync_interval": "1s", "cluster_ca": files["ca"], "cluster_cert": cert, "cluster_key": key,
	}
	o, err := embedOptions(t.Context(), loadConfig(t, flags), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	want := embed.Options{
		Dir: filepath.Join("d", "nats"), Node: "n2", Peers: []embed.Peer{{Name: "n1", Addr: "n1:6222"}, {Name: "n2", Addr: "n2:6222"}, {Name: "n3", Addr: "n3:7"}},
		Secret: "0123456789abcdef", Listen: ":8", SyncInterval: time.Second,
	}
	if diff := cmp.Diff(want, o, cmpopts.IgnoreFields(embed.Options{}, "TLS", "Log")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	asServer, err1 := o.TLS.GetCertificate(nil)
	asClient, err2 := o.TLS.GetClientCertificate(nil)
	if err1 != nil || err2 != nil || asServer.Leaf.Subject.CommonName != "n1" || asClient != asServer || !o.TLS.RootCAs.Equal(authority.Pool()) || !o.TLS.ClientCAs.Equal(authority.Pool()) {
		t.Errorf("the certificate is not that of the files: %v, %v", err1, err2)
	}
	for change, want := range map[string]string{
		"cluster_secret=file:" + files["short"]: "cluster_secret: it has 4 bytes and could be guessed: give at least 16 random ones",
		"cluster_ca=absent":                     "cluster_ca: cannot read the authorities absent: no such file or directory",
		"cluster_key=absent":                    "cluster_cert, cluster_key: cannot read the private key absent: no such file or directory",
	} {
		name, value, _ := strings.Cut(change, "=")
		before := flags[name]
		flags[name] = value
		_, err := embedOptions(t.Context(), loadConfig(t, flags), slog.New(slog.DiscardHandler))
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", change, err, want)
		}
		flags[name] = before
	}
}
