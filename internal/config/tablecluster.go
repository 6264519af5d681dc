package config

const groupCluster = "Several nodes"

const (
	// minClusterHistory is room for several blocks of the stream, which drops its oldest messages
	// block by block. A block has 8 MiB.
	minClusterHistory = 64 * mib

	// maxReplicas is the largest number of copies that NATS keeps.
	maxReplicas = 5
)

// clusterOptions returns the rows of the table for several nodes.
func clusterOptions() []Option {
	file := func(name, usage string, field func(*Config) *string) Option {
		return Option{
			Name: name, Group: groupCluster, Default: "", Usage: usage,
			field: func(c *Config) any { return field(c) }, paths: wholly, form: "a file's name",
		}
	}
	secret := func(name, usage string, field func(*Config) *string) Option {
		return password(groupCluster, name, usage, field)
	}
	return []Option{
		{
			Name: "node", Group: groupCluster, Default: "",
			Usage: "this node has this name, which no other node has; empty means the name of the host",
			field: func(c *Config) any { return &c.Node }, form: nodeForm, check: checkNode,
		},
		{
			Name: "cluster_peers", Group: groupCluster, Default: "",
			Usage: "these 3 or 5 nodes, with this one, keep the messages together: HOST or NAME=HOST:PORT, with commas between them",
			field: func(c *Config) any { return &c.ClusterPeers }, form: peersForm, check: checkPeers,
		},
		secret("cluster_secret", "the nodes of a cluster know each other by this secret: file:PATH, or the secret itself", func(c *Config) *string { return &c.ClusterSecret }),
		{
			Name: "cluster_listen", Group: groupCluster, Default: "",
			Usage: "this node listens here for the others; empty means the port and, if it has one, the address of the node in cluster_peers",
			field: func(c *Config) any { return &c.ClusterListen }, form: listenForm, check: checkListen,
		},
		file("cluster_ca", "the other nodes must have certificates from an authority in this PEM file", func(c *Config) *string { return &c.ClusterCA }),
		file("cluster_cert", "this PEM file has the certificate of this node for the other nodes", func(c *Config) *string { return &c.ClusterCert }),
		file("cluster_key", "this PEM file has the private key of cluster_cert", func(c *Config) *string { return &c.ClusterKey }),
		{
			Name: "cluster_insecure", Group: groupCluster, Default: "false",
			Usage: "the nodes talk without encryption, over a network that nobody else can read",
			field: func(c *Config) any { return &c.ClusterInsecure },
		},
		{
			Name: "cluster_history", Group: groupCluster, Default: "8GiB",
			Usage: "the history of all channels together takes at most this much of the disk of each node or NATS server that keeps it",
			field: func(c *Config) any { return &c.ClusterHistory }, min: minClusterHistory, max: tib,
		},
		{
			Name: "nats_replicas", Group: groupCluster, Default: "3",
			Usage: "this many servers keep each message: 3, 5, or 1 without protection against the loss of a server",
			field: func(c *Config) any { return &c.NATSReplicas }, min: 1, max: maxReplicas,
		},
		{
			Name: "nats_prefix", Group: groupCluster, Default: "boreas",
			Usage: "the names of streams and subjects begin with this, so that several clusters can share NATS servers",
			field: func(c *Config) any { return &c.NATSPrefix }, form: prefixForm, check: checkPrefix,
		},
		{
			Name: "nats_user", Group: groupCluster, Default: "",
			Usage: "with engine nats://, this is the user for NATS",
			field: func(c *Config) any { return &c.NATSUser }, form: "a name",
		},
		secret("nats_password", "this is the password of nats_user: file:PATH, or the password itself", func(c *Config) *string { return &c.NATSPassword }),
		secret("nats_token", "with engine nats://, this is the token for NATS: file:PATH, or the token itself", func(c *Config) *string { return &c.NATSToken }),
		file("nats_nkey", "with engine nats://, this file has the seed of an NKey", func(c *Config) *string { return &c.NATSNKey }),
		file("nats_creds", "with engine nats://, this file has the credentials of a NATS user", func(c *Config) *string { return &c.NATSCreds }),
		file("nats_ca", "the NATS servers have certificates from an authority in this PEM file, and connections are encrypted", func(c *Config) *string { return &c.NATSCA }),
		file("nats_cert", "this PEM file has the certificate that this node shows to the NATS servers", func(c *Config) *string { return &c.NATSCert }),
		file("nats_key", "this PEM file has the private key of nats_cert", func(c *Config) *string { return &c.NATSKey }),
	}
}

// password returns the row of an option that is a secret, or names the file that contains it.
func password(group, name, usage string, field func(*Config) *string) Option {
	return Option{
		Name: name, Group: group, Default: "", Usage: usage,
		field: func(c *Config) any { return field(c) }, paths: provider, form: passwordForm, check: checkPassword, secret: true, hidden: true, password: true,
	}
}
