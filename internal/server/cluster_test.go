package server

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/testca"
)

func loadConfig(t *testing.T, flags map[string]string) config.Config {
	t.Helper()
	cfg, err := config.Load(config.Input{Dir: t.TempDir(), Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestClusterOptions(t *testing.T) {
	cfg := loadConfig(t, map[string]string{
		"engine": "nats://a", "history_messages": "50", "history_age": "10m", "history_memory": "1GiB", "cluster_history": "1GiB", "nats_replicas": "5",
		"rules": "a.* history_messages=70 history_age=1m; b.* history_age=1h history_messages=0", "idempotency_window": "0", "data_dir": "d",
	})
	got := clusterOptions(cfg, newRules(cfg))
	want := cluster.Options{
		Replicas: 5, Messages: 70, Age: time.Hour, History: 1 << 30, Memory: 1 << 30, KeyWindow: -1, StateFile: filepath.Join("d", "cluster.json"),
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(cluster.Options{}, "Limits", "Servers"), cmpopts.IgnoreUnexported(cluster.Options{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(engine.Retention{Messages: -1, Bytes: cfg.HistoryBytes, Age: time.Hour}, got.Limits("b.1")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestClusterServers(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	authority := testca.New()
	pair := authority.Issue("n1", time.Hour)
	cert, key, err := pair.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg := loadConfig(t, map[string]string{
		"engine": "tls://a,b:5", "node": "n1", "nats_prefix": "live", "nats_user": "u", "nats_password": "file:" + write("password", "hunter2\r\n"),
		"nats_ca": write("ca", string(authority.PEM())), "nats_cert": cert, "nats_key": key,
	})
	o, err := clusterServers(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Check(); err != nil {
		t.Error(err)
	}
	shown, err := o.TLS.GetClientCertificate(nil)
	if err != nil || shown.Leaf.Subject.CommonName != "n1" || !o.TLS.RootCAs.Equal(authority.Pool()) {
		t.Errorf("the certificate is not that of the files: %v", err)
	}
	got := fmt.Sprintln(o.URLs, o.Node, o.Prefix, o.User, o.Password)
	if diff := cmp.Diff("[tls://a:4222 tls://b:5] n1 live u hunter2\n", got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for change, want := range map[string]string{
		"nats_password=file:" + write("empty", " \n"): "nats_password: the file " + filepath.Join(dir, "empty") + " is empty: write the secret into it",
		"nats_password=file:absent":                   "nats_password: cannot read absent: no such file or directory",
		"nats_ca=absent":                              "nats_ca: cannot read the authorities absent: no such file or directory",
		"nats_key=absent":                             "nats_cert, nats_key: cannot read the private key absent: no such file or directory",
	} {
		flags := map[string]string{"engine": "nats://a", "node": "n1", "nats_user": "u", "nats_password": cfg.NATSPassword, "nats_cert": cert, "nats_key": key}
		name, value, _ := strings.Cut(change, "=")
		flags[name] = value
		_, err := clusterServers(t.Context(), loadConfig(t, flags), slog.New(slog.DiscardHandler))
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", change, err, want)
		}
	}
}

// TestNodeName finds out which of the peers this machine is.
func TestNodeName(t *testing.T) {
	for host, want := range map[string]string{
		"web-1": "web-1", "web-1.example.com": "web-1", "Web_1": "Web-1", strings.Repeat("a", 40): strings.Repeat("a", 32), "": "", "-": "",
	} {
		if got := hostToNode(host); got != want {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
	for _, c := range []struct{ host, peers, want string }{
		{"N2", "n1,n2,n3", "n2"},
		{"n2.example", "n1.example,n2.example,n3.example", "n2"},
		{"web", "a=web,b=db,c=192.0.2.1", "a"},
		{"web", "a=127.0.0.1,b=127.0.0.2,c=127.0.0.3", "a"},
		{"web", "a=203.0.113.1,b=203.0.113.2,c=203.0.113.3", "node: none of the cluster_peers has the name of this host (web) or one of its addresses: give the name of this node: a, b, c"},
		{"web", "a=127.0.0.1:1,b=127.0.0.1:2,c=127.0.0.1:3", "node: the cluster_peers a, b, c have addresses of this machine: give the name of this node"},
	} {
		cfg := config.Config{ClusterPeers: c.peers}
		got, err := thisPeer(t.Context(), cfg.Peers(), c.host)
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s of %s (-want +got):\n%s", c.host, c.peers, diff)
		}
	}
}

// TestPeersAreCounted: boreas_cluster_peers is the number of nodes in cluster_peers, so that an alert can compare it with the live ones.
func TestPeersAreCounted(t *testing.T) {
	for peers, want := range map[string]int{"": 0, "n1,n2=10.0.0.2,n3": 3} {
		s := &Server{cfg: config.Config{ClusterPeers: peers}, cluster: &clusterNode{}}
		if m := s.newNodeMetrics().(nodeMetrics); m.peers != want {
			t.Errorf("cluster_peers=%q: %d peers, want %d", peers, m.peers, want)
		}
	}
}
