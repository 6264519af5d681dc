package config

import (
	"fmt"
	"slices"
	"strings"
)

// checkCluster checks the options of several nodes. The engine has been chosen.
func (l *loader) checkCluster() {
	c := &l.config
	if len(l.errs) > 0 {
		return // some of these options may have no valid value
	}
	fail := func(name, format string, args ...any) {
		l.fail(&Error{Where: c.Origin(name), Message: fmt.Sprintf(format, args...)})
	}
	set := func(name string) bool { o := l.options[name]; return o.format(*c) != o.Default }
	switch {
	case c.Engine == EngineCluster && c.ClusterPeers == "":
		fail("engine", "engine is cluster and cluster_peers is not given: name all nodes that keep the messages, including this one")
		return
	case c.Engine != EngineCluster && c.ClusterPeers != "":
		fail("engine", "engine is %s and cluster_peers is given, which makes these nodes keep the messages: remove one of them", c.engineKind())
		return
	}
	l.onlyFor(c.NATS(), "it applies only to engine nats://, so give the NATS servers in engine, or remove it",
		"nats_user", "nats_password", "nats_token", "nats_nkey", "nats_creds", "nats_ca", "nats_cert", "nats_key")
	l.onlyFor(c.Clustered(), "it applies only to several nodes, so give cluster_peers or engine nats://, or remove it",
		"node", "nats_prefix", "nats_replicas", "cluster_history")
	l.onlyFor(c.Engine == EngineCluster, "it applies only with cluster_peers, so name all nodes there, or remove it",
		"cluster_secret", "cluster_listen", "cluster_ca", "cluster_cert", "cluster_key", "cluster_insecure")
	if !c.Clustered() || len(l.errs) > 0 {
		return
	}
	if c.NATSReplicas%2 == 0 {
		fail("nats_replicas", "nats_replicas is %d: an even number survives no more failures than the odd one below it: give 1, 3 or 5", c.NATSReplicas)
	}
	if c.NATS() {
		l.checkNATS(fail, set)
	} else {
		l.checkNodes(fail, set)
	}
	if c.Durable == DurableMemory || slices.ContainsFunc(c.Rules, func(r Rule) bool { return r.Durable == DurableMemory }) {
		c.Notes = append(c.Notes, "durable=memory is given and several nodes share the messages: it has no effect, because all messages are on the disks of the nodes or servers")
	}
}

// onlyFor reports an error for each of the named options that is set, unless they apply.
func (l *loader) onlyFor(applies bool, why string, names ...string) {
	for _, name := range names {
		if o := l.options[name]; !applies && o.format(l.config) != o.Default {
			l.fail(&Error{Where: l.config.Origin(name), Message: fmt.Sprintf("%s is given and engine is %s: %s", name, l.config.engineKind(), why)})
		}
	}
}

// engineKind returns the engine for messages, without addresses.
func (c Config) engineKind() string {
	if scheme, _, ok := strings.Cut(c.Engine, "://"); ok {
		return scheme + "://"
	}
	return c.Engine
}

// checkNATS checks the options of connections to NATS servers.
func (l *loader) checkNATS(fail func(name, format string, args ...any), set func(string) bool) {
	var kinds []string
	for _, name := range []string{"nats_user", "nats_token", "nats_nkey", "nats_creds"} {
		if set(name) {
			kinds = append(kinds, name)
		}
	}
	if len(kinds) > 1 {
		fail(kinds[1], "%s are given: a connection to NATS has one kind of credentials, so keep one of them", strings.Join(kinds, " and "))
	}
	pairs := [][3]string{
		{"nats_user", "nats_password", "NATS needs both"},
		{"nats_cert", "nats_key", "TLS needs both files, the certificate and its private key"},
	}
	for _, pair := range pairs {
		for i := range 2 {
			if given, missing := pair[i], pair[1-i]; set(given) && !set(missing) {
				fail(given, "%s is given and %s is not: %s", given, missing, pair[2])
			}
		}
	}
}

// checkNodes checks the options of nodes that keep the messages themselves.
func (l *loader) checkNodes(fail func(name, format string, args ...any), set func(string) bool) {
	c := &l.config
	peers := c.Peers()
	var names []string
	local := true
	for _, p := range peers {
		names = append(names, p.Name)
		local = local && p.Local()
	}
	if c.Node != "" && !slices.Contains(names, c.Node) {
		fail("node", "node is %s, and cluster_peers has %s: give the name of this node in that list", c.Node, strings.Join(names, ", "))
	}
	if c.NATSReplicas == 1 || c.NATSReplicas > len(peers) {
		fail("nats_replicas", "nats_replicas is %d and cluster_peers has %d nodes: give 3, or 5 with 5 nodes", c.NATSReplicas, len(peers))
	}
	if c.DataDir == "" {
		fail("cluster_peers", "cluster_peers is given and data_dir is not: name the directory in which this node keeps messages")
	}
	if c.ClusterSecret == "" {
		fail("cluster_peers", "cluster_peers is given and cluster_secret is not: write a random secret to a file, "+
			"copy it to all nodes, and give cluster_secret=file:PATH")
	}
	tls := []string{"cluster_ca", "cluster_cert", "cluster_key"}
	missing := slices.DeleteFunc(slices.Clone(tls), set)
	switch {
	case len(missing) == 0 && c.ClusterInsecure:
		fail("cluster_insecure", "cluster_insecure and cluster_cert are given: remove one of them")
	case len(missing) > 0 && len(missing) < len(tls):
		fail("cluster_peers", "of %s only a part is given: add %s", strings.Join(tls, ", "), strings.Join(missing, " and "))
	case len(missing) > 0 && !local && !c.ClusterInsecure:
		fail("cluster_peers", "the nodes in cluster_peers talk over a network, and messages, tokens and the secret would be readable there: "+
			"give cluster_ca, cluster_cert and cluster_key, or cluster_insecure if nobody else can read this network")
	}
}
