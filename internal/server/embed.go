package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/embed"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// NATSDir is the directory of the messages of a cluster, in data_dir.
const NATSDir = "nats"

// embedOptions returns the options of the NATS server in this process, with the engine "cluster".
// Errors name the option.
func embedOptions(ctx context.Context, cfg config.Config, log *slog.Logger) (embed.Options, error) {
	o := embed.Options{
		Dir: filepath.Join(cfg.DataDir, NATSDir), Listen: cfg.ClusterListen,
		SyncInterval: cfg.SyncInterval, Log: log,
	}
	for _, p := range cfg.Peers() {
		o.Peers = append(o.Peers, embed.Peer{Name: p.Name, Addr: p.Addr()})
	}
	var err error
	if o.Node, err = nodeName(ctx, cfg); err != nil {
		return o, err
	}
	if o.Secret, err = readSecret("cluster_secret", cfg.ClusterSecret); err != nil {
		return o, err
	}
	if len(o.Secret) < embed.MinSecret {
		return o, fmt.Errorf("cluster_secret: it has %d bytes and could be guessed: give at least %d random ones", len(o.Secret), embed.MinSecret)
	}
	o.TLS, err = routeTLS(cfg, log)
	return o, err
}

// routeTLS returns the TLS configuration of the connections between nodes, or nil without TLS. Each node
// is a server of some connections and a client of others.
func routeTLS(cfg config.Config, log *slog.Logger) (*tls.Config, error) {
	if cfg.ClusterCert == "" {
		return nil, nil
	}
	authorities, err := readAuthorities(cfg.ClusterCA)
	if err != nil {
		return nil, fmt.Errorf("cluster_ca: %w", err)
	}
	pair, err := watch("the certificate for other nodes", log, func() (*tls.Certificate, error) { return readPair(cfg.ClusterCert, cfg.ClusterKey) }, cfg.ClusterCert, cfg.ClusterKey)
	if err != nil {
		return nil, fmt.Errorf("cluster_cert, cluster_key: %w", err)
	}
	return &tls.Config{
		MinVersion:           tls.VersionTLS12,
		ClientAuth:           tls.RequireAndVerifyClientCert,
		RootCAs:              authorities,
		ClientCAs:            authorities,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.get(), nil },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.get(), nil },
	}, nil
}
