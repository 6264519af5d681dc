package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/embed"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/textfile"
)

const (
	// maxSecret is the maximum size of a file with a password, in bytes. Tokens of NATS have fewer.
	maxSecret = 64 << 10

	// lookupTimeout bounds the search of the peers' addresses in the DNS.
	lookupTimeout = 5 * time.Second
)

// ClusterOptions returns the options of the engine that several nodes share, with its servers. It is for
// commands beside the server. With the engine "cluster" they use the server of the node that runs with
// the same data_dir.
func ClusterOptions(ctx context.Context, cfg config.Config, log *slog.Logger) (cluster.Options, error) {
	o := clusterOptions(cfg, newRules(cfg))
	var err error
	if o.Servers, err = clusterServers(ctx, cfg, log); err != nil || cfg.NATS() {
		return o, err
	}
	login, err := embed.ReadLogin(filepath.Join(cfg.DataDir, NATSDir))
	if errors.Is(err, embed.ErrNotRunning) {
		err = fmt.Errorf("%w: run this on a machine with a running node of the cluster, with the configuration of that node", err)
	}
	if err != nil {
		return o, err
	}
	o.Servers.URLs, o.Servers.User, o.Servers.Password = []string{login.URL}, login.User, login.Password
	return o, nil
}

// clusterServers returns the NATS servers of a configuration, and the node's name there. With the
// engine "cluster" the server is in this process, and the caller sets it. Errors name the option.
func clusterServers(ctx context.Context, cfg config.Config, log *slog.Logger) (natsconn.Options, error) {
	o := natsconn.Options{
		URLs: cfg.NATSServers(), Prefix: cfg.NATSPrefix, User: cfg.NATSUser, NKeyFile: cfg.NATSNKey, CredsFile: cfg.NATSCreds, Log: log,
	}
	var err error
	if o.Node, err = nodeName(ctx, cfg); err != nil {
		return o, err
	}
	if o.Password, err = readSecret("nats_password", cfg.NATSPassword); err != nil {
		return o, err
	}
	if o.Token, err = readSecret("nats_token", cfg.NATSToken); err != nil {
		return o, err
	}
	o.TLS, err = natsTLS(cfg, log)
	return o, err
}

// clusterOptions returns the options of the engine that several nodes share, without the servers.
func clusterOptions(cfg config.Config, rules *liveRules) cluster.Options {
	// One stream keeps the messages of all channels, so it needs the largest limits. Each node applies
	// the smaller ones of its channels when it reads.
	o := cluster.Options{
		Replicas:  cfg.NATSReplicas,
		Messages:  cfg.MostMessages(),
		Age:       cfg.LongestAge(),
		History:   cfg.ClusterHistory,
		Memory:    cfg.HistoryMemory,
		KeyWindow: keyWindow(cfg),
		Limits:    func(channel string) engine.Retention { return rules.For(channel).Retention },
	}
	if cfg.DataDir != "" {
		o.StateFile = filepath.Join(cfg.DataDir, "cluster.json")
	}
	return o
}

// readSecret returns the secret of an option: its value, or the content of the file that it names,
// without a line break at the end. Errors do not repeat the value.
func readSecret(option, value string) (string, error) {
	file, ok := strings.CutPrefix(value, "file:")
	if !ok {
		return value, nil
	}
	text, err := textfile.Read(file, maxSecret)
	if err != nil {
		return "", fmt.Errorf("%s: cannot read %s: %w", option, file, err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("%s: the file %s is empty: write the secret into it", option, file)
	}
	return secret, nil
}

// natsTLS returns the TLS configuration of connections to NATS servers, or nil for the defaults.
func natsTLS(cfg config.Config, log *slog.Logger) (*tls.Config, error) {
	if cfg.NATSCA == "" && cfg.NATSCert == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.NATSCA != "" {
		pool, err := readAuthorities(cfg.NATSCA)
		if err != nil {
			return nil, fmt.Errorf("nats_ca: %w", err)
		}
		c.RootCAs = pool
	}
	if cfg.NATSCert != "" {
		pair, err := watch("the certificate for NATS", log, func() (*tls.Certificate, error) { return readPair(cfg.NATSCert, cfg.NATSKey) }, cfg.NATSCert, cfg.NATSKey)
		if err != nil {
			return nil, fmt.Errorf("nats_cert, nats_key: %w", err)
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.get(), nil }
	}
	return c, nil
}

// nodeName returns the name of this node.
func nodeName(ctx context.Context, cfg config.Config) (string, error) {
	if cfg.Node != "" {
		return cfg.Node, nil
	}
	host, err := os.Hostname()
	if cfg.Engine == config.EngineCluster {
		return thisPeer(ctx, cfg.Peers(), host)
	}
	if name := hostToNode(host); err == nil && name != "" {
		return name, nil
	}
	return "", errors.New("node: the name of this host is not known: give the node a name that no other node has")
}

// maxNodeName is the maximum length of a node's name.
const maxNodeName = 32

// hostToNode returns the name of a node for a host: the part before the first dot, with a dash for
// each character that a node's name must not have.
func hostToNode(host string) string {
	host, _, _ = strings.Cut(host, ".")
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, host)
	return strings.Trim(name[:min(len(name), maxNodeName)], "-")
}

// thisPeer returns the name of the peer that this machine is: the one with the name of the host, or
// else the one that has an address of this machine.
func thisPeer(ctx context.Context, peers []config.Peer, host string) (string, error) {
	var named, addressed, all []string
	label, _, _ := strings.Cut(host, ".")
	for _, p := range peers {
		all = append(all, p.Name)
		if strings.EqualFold(p.Name, label) || strings.EqualFold(p.Host, host) || strings.EqualFold(p.Host, label) {
			named = append(named, p.Name)
		}
	}
	if len(named) == 1 {
		return named[0], nil
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("node: the addresses of this machine are not known: %w: give the name of this node: %s", err, strings.Join(all, ", "))
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	for _, p := range peers {
		found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", p.Host) // an unknown name is no address of this machine
		if slices.ContainsFunc(found, func(a netip.Addr) bool { return isOwn(own, a) }) {
			addressed = append(addressed, p.Name)
		}
	}
	switch len(addressed) {
	case 1:
		return addressed[0], nil
	case 0:
		return "", fmt.Errorf("node: none of the cluster_peers has the name of this host (%s) or one of its addresses: give the name of this node: %s", host, strings.Join(all, ", "))
	}
	return "", fmt.Errorf("node: the cluster_peers %s have addresses of this machine: give the name of this node", strings.Join(addressed, ", "))
}

// isOwn reports whether one of the machine's networks has the address as its own.
func isOwn(own []net.Addr, address netip.Addr) bool {
	return slices.ContainsFunc(own, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(net.IP(address.Unmap().AsSlice()))
	})
}
