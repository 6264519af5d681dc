package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// loadFlags loads a configuration from flags: NAME=VALUE, separated by spaces.
func loadFlags(t *testing.T, text string) (Config, error) {
	t.Helper()
	flags := map[string]string{}
	for flag := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(flag, "=")
		flags[name] = value
	}
	return Load(Input{Dir: t.TempDir(), Flags: flags})
}

// Options of clusters that are complete.
const (
	natsCluster = "engine=nats://a "
	ownCluster  = "cluster_peers=n1,n2,n3 data_dir=d cluster_secret=file:s cluster_insecure=true "
)

// TestSeveralNodes reads options of several nodes that fit together.
func TestSeveralNodes(t *testing.T) {
	type result struct {
		Engine  string
		Shared  bool
		Servers []string
		Peers   []Peer
		Age     time.Duration
		Notes   []string
	}
	peers := func(names ...string) (all []Peer) {
		for _, name := range names {
			all = append(all, Peer{Name: name, Host: name, Port: 6222})
		}
		return all
	}
	const day = 24 * time.Hour
	for _, c := range []struct {
		flags string
		want  result
	}{
		{"", result{Engine: "memory", Age: 5 * time.Minute}},
		{natsCluster, result{Engine: "nats://a", Shared: true, Servers: []string{"nats://a:4222"}, Age: day}},
		{"engine=nats://a,10.0.0.1:5,[::1],::2 data_dir=d history_age=2m", result{
			Engine: "nats://a,10.0.0.1:5,[::1],::2", Shared: true, Age: 2 * time.Minute,
			Servers: []string{"nats://a:4222", "nats://10.0.0.1:5", "nats://[::1]:4222", "nats://[::2]:4222"},
		}},
		{"engine=tls://a,tls://b:7/", result{Engine: "tls://a,tls://b:7/", Shared: true, Servers: []string{"tls://a:4222", "tls://b:7"}, Age: day}},
		{natsCluster + "nats_user=u nats_password=file:p nats_cert=c nats_key=k nats_ca=a nats_prefix=x nats_replicas=1 node=a cluster_history=1GiB", result{
			Engine: "nats://a", Shared: true, Servers: []string{"nats://a:4222"}, Age: day,
		}},
		{natsCluster + "sync_interval=1s history_disk=1GiB durable=memory", result{
			Engine: "nats://a", Shared: true, Servers: []string{"nats://a:4222"}, Age: day, Notes: []string{
				"durable=memory is given and several nodes share the messages: it has no effect, because all messages are on the disks of the nodes or servers",
				"sync_interval is given and the engine is nats://: it applies only to engine disk",
				"history_disk is given and the engine is nats://: it applies only to engine disk",
			},
		}},
		{ownCluster + "sync_interval=1s", result{Engine: "cluster", Shared: true, Peers: peers("n1", "n2", "n3"), Age: day}},
		{ownCluster + "engine=cluster disk_free=0 node=n2", result{
			Engine: "cluster", Shared: true, Peers: peers("n1", "n2", "n3"), Age: day,
			Notes: []string{"disk_free is given and the engine is cluster: it applies only to engine disk"},
		}},
		{"cluster_peers=127.0.0.1:1,127.0.0.2,c=localhost data_dir=d cluster_secret=file:s", result{
			Engine: "cluster", Shared: true, Age: day, Peers: []Peer{{"127-0-0-1", "127.0.0.1", 1}, {"127-0-0-2", "127.0.0.2", 6222}, {"c", "localhost", 6222}},
		}},
		{"cluster_peers=b-0.b,b-1.b,b-2.b:7,x=fd00::1,y=[fd00::2]:8 data_dir=d cluster_secret=file:s cluster_ca=a cluster_cert=c cluster_key=k nats_replicas=5", result{
			Engine: "cluster", Shared: true, Age: day,
			Peers: []Peer{{"b-0", "b-0.b", 6222}, {"b-1", "b-1.b", 6222}, {"b-2", "b-2.b", 7}, {"x", "fd00::1", 6222}, {"y", "fd00::2", 8}},
		}},
	} {
		loaded, err := loadFlags(t, c.flags)
		if err != nil {
			t.Errorf("%s: %v", c.flags, err)
			continue
		}
		got := result{loaded.Engine, loaded.Clustered(), loaded.NATSServers(), loaded.Peers(), loaded.HistoryAge, loaded.Notes}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.flags, diff)
		}
	}
}

// TestSeveralNodesThatDoNotFit sets options of several nodes that contradict each other.
func TestSeveralNodesThatDoNotFit(t *testing.T) {
	const (
		notNATS    = "it applies only to engine nats://, so give the NATS servers in engine, or remove it"
		notSeveral = "it applies only to several nodes, so give cluster_peers or engine nats://, or remove it"
		notPeers   = "it applies only with cluster_peers, so name all nodes there, or remove it"
		peers      = "--cluster-peers: "
		both       = "cluster_peers is given, which makes these nodes keep the messages: remove one of them"
	)
	for _, c := range []struct{ flags, want string }{
		{"nats_user=u nats_ca=f", "--nats-user: nats_user is given and engine is memory: " + notNATS + "\n--nats-ca: nats_ca is given and engine is memory: " + notNATS},
		{ownCluster + "nats_token=file:t", "--nats-token: nats_token is given and engine is cluster: " + notNATS},
		{"data_dir=d node=a", "--node: node is given and engine is disk: " + notSeveral},
		{"nats_replicas=1", "--nats-replicas: nats_replicas is given and engine is memory: " + notSeveral},
		{natsCluster + "cluster_secret=file:s", "--cluster-secret: cluster_secret is given and engine is nats://: " + notPeers},
		{ownCluster + "engine=disk", "--engine: engine is disk and " + both},
		{ownCluster + "engine=nats://a", "--engine: engine is nats:// and " + both},
		{"engine=cluster", "--engine: engine is cluster and cluster_peers is not given: name all nodes that keep the messages, including this one"},
		{natsCluster + "nats_user=u", "--nats-user: nats_user is given and nats_password is not: NATS needs both"},
		{natsCluster + "nats_password=file:u", "--nats-password: nats_password is given and nats_user is not: NATS needs both"},
		{natsCluster + "nats_key=u", "--nats-key: nats_key is given and nats_cert is not: TLS needs both files, the certificate and its private key"},
		{natsCluster + "nats_nkey=u nats_creds=c", "--nats-creds: nats_nkey and nats_creds are given: a connection to NATS has one kind of credentials, so keep one of them"},
		{natsCluster + "nats_replicas=2", "--nats-replicas: nats_replicas is 2: an even number survives no more failures than the odd one below it: give 1, 3 or 5"},
		{ownCluster + "nats_replicas=5", "--nats-replicas: nats_replicas is 5 and cluster_peers has 3 nodes: give 3, or 5 with 5 nodes"},
		{ownCluster + "node=n4", "--node: node is n4, and cluster_peers has n1, n2, n3: give the name of this node in that list"},
		{
			"cluster_peers=n1,n2,n3", peers + "cluster_peers is given and data_dir is not: name the directory in which this node keeps messages\n" +
				peers + "cluster_peers is given and cluster_secret is not: write a random secret to a file, copy it to all nodes, and give cluster_secret=file:PATH\n" +
				peers + "the nodes in cluster_peers talk over a network, and messages, tokens and the secret would be readable there: " +
				"give cluster_ca, cluster_cert and cluster_key, or cluster_insecure if nobody else can read this network",
		},
		{ownCluster + "cluster_ca=f", peers + "of cluster_ca, cluster_cert, cluster_key only a part is given: add cluster_cert and cluster_key"},
		{
			ownCluster + "cluster_ca=f cluster_cert=f cluster_key=f",
			"--cluster-insecure: cluster_insecure and cluster_cert are given: remove one of them",
		},
		{natsCluster + "nats_password=hunter2", "--nats-password: other users of this machine can read command lines: write the secret to a file and give file:PATH, or give it as BOREAS_NATS_PASSWORD"},
	} {
		_, err := loadFlags(t, c.flags)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.flags, diff)
		}
	}
}

// TestBadAddressesOfNodes sets lists of servers and of nodes that are not valid.
func TestBadAddressesOfNodes(t *testing.T) {
	const (
		wantEngine = "--engine: want memory, disk, cluster, or nats://HOST,HOST,HOST, not "
		wantPeers  = "--cluster-peers: want 3 or 5 nodes such as n1,n2,n3 or n1=10.0.0.1:6222,n2=10.0.0.2:6222,n3=10.0.0.3:6222, not "
		wantListen = "--cluster-listen: want an address and a port such as 10.0.0.1:6222, or :6222 for all addresses, not "
	)
	for _, c := range []struct{ option, value, want string }{
		{"engine", "redis://a", wantEngine + `"redis://a": addresses of NATS servers begin with nats://, or with tls:// for encrypted connections`},
		{"engine", "nats://u:hunter2@a", wantEngine + "the one given: an address has a host and a port only, because addresses are logged: give a user as nats_user and nats_password"},
		{"engine", "nats://a,tls://b", wantEngine + `"nats://a,tls://b": nats:// and tls:// are mixed: use one of them for all addresses`},
		{"engine", "nats://a,", wantEngine + `"nats://a,": an entry is empty: remove the extra comma`},
		{"engine", "nats://a,a:4222", wantEngine + `"nats://a,a:4222": "a:4222" is given twice`},
		{"engine", "nats://a:b", wantEngine + `"nats://a:b": "a:b": the port is a number from 1 to 65535`},
		{"engine", "nats://:4", wantEngine + `"nats://:4": ":4": the host is missing`},
		{"engine", "nats://[::1", wantEngine + `"nats://[::1": "[::1" is not a host and a port`},
		{"engine", "nats://a/b", wantEngine + `"nats://a/b": "a/b": a host name has letters, digits, dots and dashes`},
		{"cluster_peers", "n1", wantPeers + `"n1": one node is no cluster: remove cluster_peers, and give data_dir so that messages are on its disk`},
		{"cluster_peers", "n1,n2", wantPeers + `"n1,n2": with two nodes, both stop when one fails, because one is not a majority of two: name a third, or remove cluster_peers and run one node`},
		{"cluster_peers", "n1,n2,n3,n4", wantPeers + `"n1,n2,n3,n4": four nodes stop when two fail, as three do when two fail, and cost more: name 3 or 5`},
		{"cluster_peers", "a,b,c,d,e,f", wantPeers + `"a,b,c,d,e,f": 6 nodes are too many, because each message waits for a majority of them: name 5, and let the others use these through engine nats://`},
		{"cluster_peers", "n1,n2,n1:6222", wantPeers + `"n1,n2,n1:6222": n1:6222 is given twice`},
		{"cluster_peers", "n1.a,n1.b,n2", wantPeers + `"n1.a,n1.b,n2": two nodes have the name n1: give them names of their own, as in n1=n1.a:6222,n2=n1.b:6222`},
		{"cluster_peers", "n1,127.0.0.1,n3", wantPeers + `"n1,127.0.0.1,n3": n1:6222 and 127.0.0.1:6222 cannot reach each other, because only one of them is a loopback address`},
		{"cluster_peers", "0.0.0.0,n2,n3", wantPeers + `"0.0.0.0,n2,n3": "0.0.0.0": the other nodes cannot connect to this address: give the address of the node`},
		{"cluster_peers", "n_1,n2,n3", wantPeers + `"n_1,n2,n3": the name "n_1" of a node is not valid: give it one of 1 to 32 letters, digits and dashes, as in n1=n_1`},
		{"cluster_listen", "6222", wantListen + `"6222": it is not a host and a port with a colon between them`},
		{"cluster_listen", ":0", wantListen + `":0": the port is a number from 1 to 65535`},
		{"node", "n.1", `--node: want a name of 1 to 32 letters, digits and dashes (empty means the name of the host), not "n.1": it is part of the names of NATS subjects`},
		{"nats_prefix", "a.b", `--nats-prefix: want a name of 1 to 32 letters, digits, dashes and underscores, not "a.b": it is part of the names of NATS streams`},
		{"cluster_secret", "file:", "--cluster-secret: want file:PATH, or the secret itself in the environment or a configuration file, not the one given: the file's name is missing"},
		{"cluster_history", "1MiB", `--cluster-history: want a size from 64MiB to 1TiB, such as 64KiB or 65536, not "1MiB"`},
	} {
		t.Run(c.option+"="+c.value, func(t *testing.T) {
			_, err := Load(Input{Flags: map[string]string{c.option: c.value}, Dir: t.TempDir()})
			checkError(t, err, c.want)
		})
	}
}
