package config

import (
	"math"
	"slices"
	"time"
)

// Groups of options in the help.
const (
	groupListen  = "Listening"
	groupAuth    = "Who may connect"
	groupJWT     = "JSON Web Tokens"
	groupBackend = "Tokens that your backend checks"
	groupKeys    = "Who may use the API"
	groupLog     = "Logging"
	groupLimits  = "Limits"
	groupClient  = "Limits for one client"
	groupTime    = "Time limits"
	groupHistory = "History"
	groupRules   = "Channels"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
	tib = 1 << 40

	maxPort = math.MaxUint16

	// minHistoryDisk is room for two segments of the engine on disk: the one that it writes, and an
	// older one.
	minHistoryDisk = 128 * mib

	day = int64(24 * time.Hour)
)

// Options returns the table of options, in the order of the help.
func Options() []Option {
	return append([]Option{
		{
			Name: "config", Group: groupListen, Default: "", FlagOnly: true,
			Usage: "the server reads options from this file; without it, from boreas.toml or boreas.conf in the working directory",
			field: func(c *Config) any { return &c.File }, form: "a file's name",
		},
		{
			Name: "api_host", Group: groupListen, Default: "127.0.0.1",
			Usage: "the API (publishing, tokens, state) listens on this address",
			field: func(c *Config) any { return &c.APIHost }, form: hostForm, check: checkHost,
		},
		{
			Name: "api_port", Group: groupListen, Default: "8001", Zero: "any free port",
			Usage: "the API listens on this port",
			field: func(c *Config) any { return &c.APIPort }, min: 1, max: maxPort,
		},
		{
			Name: "ws_host", Group: groupListen, Default: "127.0.0.1",
			Usage: "subscribers connect to this address",
			field: func(c *Config) any { return &c.WSHost }, form: hostForm, check: checkHost,
		},
		{
			Name: "ws_port", Group: groupListen, Default: "8002", Zero: "any free port",
			Usage: "subscribers connect to this port",
			field: func(c *Config) any { return &c.WSPort }, min: 1, max: maxPort,
		},

		{
			Name: "require_auth", Group: groupAuth, Default: "true",
			Usage: "subscribers must send a token before they may join channels",
			field: func(c *Config) any { return &c.RequireAuth },
		},
		{
			Name: "allow_origin", Group: groupAuth, Default: "*",
			Usage: "web pages of these origins may connect: * for all, or a list with commas",
			field: func(c *Config) any { return &c.AllowOrigin }, form: originForm, check: checkOrigins,
		},
		{
			Name: "token_provider", Group: groupAuth, Default: "no_tokens",
			Usage: "tokens are loaded from here at start: no_tokens, file:PATH, exec:COMMAND or http(s)://URL",
			field: func(c *Config) any { return &c.TokenProvider }, paths: provider, form: providerForm, lines: true, check: checkProvider, secret: true,
		},
		{
			Name: "token_provider_timeout", Group: groupAuth, Default: "10s",
			Usage: "the token provider may take this long",
			field: func(c *Config) any { return &c.TokenProviderTimeout }, min: int64(time.Second), max: int64(time.Hour),
		},

		{
			Name: "token_cookie", Group: groupAuth, Default: "",
			Usage: "browsers may send a token in this cookie; needs allow_origin to name the origins",
			field: func(c *Config) any { return &c.TokenCookie }, form: "a cookie's name", check: checkName,
		},
		{
			Name: "data_dir", Group: groupAuth, Default: "",
			Usage: "messages, tokens, keys and revocations are kept in this directory; without it a restart loses them",
			field: func(c *Config) any { return &c.DataDir }, paths: wholly, form: "a directory",
		},

		{
			Name: "jwt_keys", Group: groupJWT, Default: "",
			Usage: "these keys verify JWTs, with spaces between them: hs256:FILE (a secret), file:FILE (PEM or JWKS), https://URL (JWKS)",
			field: func(c *Config) any { return &c.JWTKeys }, paths: keyList, form: jwtKeysForm, lines: true, check: checkJWTKeys, secret: true, hidden: true,
		},
		{
			Name: "jwt_issuer", Group: groupJWT, Default: "",
			Usage: "a JWT must have this issuer (claim iss); empty accepts any",
			field: func(c *Config) any { return &c.JWTIssuer }, form: "a text",
		},
		{
			Name: "jwt_audience", Group: groupJWT, Default: "",
			Usage: "a JWT must have this audience (claim aud); empty accepts any",
			field: func(c *Config) any { return &c.JWTAudience }, form: "a text",
		},
		{
			Name: "jwt_leeway", Group: groupJWT, Default: "30s",
			Usage: "the clocks of this machine and the issuer may differ by this much",
			field: func(c *Config) any { return &c.JWTLeeway }, min: int64(time.Second), max: int64(5 * time.Minute),
		},
		{
			Name: "jwt_user_claim", Group: groupJWT, Default: "sub",
			Usage: "this claim of a JWT has the user's name; use dots for members of objects",
			field: func(c *Config) any { return &c.JWTUserClaim }, form: "a claim's name", check: checkName,
		},
		{
			Name: "jwt_rules_claim", Group: groupJWT, Default: "boreas",
			Usage: "this claim of a JWT has the token's rules; use dots for members of objects",
			field: func(c *Config) any { return &c.JWTRulesClaim }, form: "a claim's name", check: checkName,
		},
		{
			Name: "jwt_info_claim", Group: groupJWT, Default: "info",
			Usage: "others see this claim of a JWT in presence; use dots for members of objects",
			field: func(c *Config) any { return &c.JWTInfoClaim }, form: "a claim's name", check: checkName,
		},
		{
			Name: "jwt_default_rules", Group: groupJWT, Default: "",
			Usage: "JWTs without rules have these, as JSON; if empty, JWTs without rules are refused",
			field: func(c *Config) any { return &c.JWTDefaultRules }, form: "a JSON list of rules", lines: true,
		},

		{
			Name: "auth_url", Group: groupBackend, Default: "",
			Usage: "the server asks this URL of your backend about tokens that it does not know itself",
			field: func(c *Config) any { return &c.AuthURL }, form: "a URL that begins with http:// or https://", check: checkHTTP, secret: true,
		},
		{
			Name: "auth_url_headers", Group: groupBackend, Default: "",
			Usage: "the backend gets these headers of the client's request, with commas between them",
			field: func(c *Config) any { return &c.AuthURLHeaders }, form: "names of headers with commas between them", check: checkHeaders,
		},
		{
			Name: "auth_url_timeout", Group: groupBackend, Default: "3s",
			Usage: "the backend may take this long to answer",
			field: func(c *Config) any { return &c.AuthURLTimeout }, min: int64(100 * time.Millisecond), max: int64(time.Minute),
		},

		{
			Name: "api_insecure", Group: groupKeys, Default: "false",
			Usage: "every client that reaches the API may use it, also from other machines and without a key",
			field: func(c *Config) any { return &c.APIInsecure },
		},
		{
			Name: "api_hosts", Group: groupKeys, Default: "",
			Usage: "besides localhost, clients may use these names for the API while it needs no key",
			field: func(c *Config) any { return &c.APIHosts }, form: "host names with commas between them",
		},
		password(groupKeys, "admin_key", "the API accepts this key with the verb admin, beside the keys that it keeps: file:PATH, or the key itself", func(c *Config) *string { return &c.AdminKey }),
		{
			Name: "ui", Group: groupKeys, Default: "true",
			Usage: "the API's port has the operator's page, at /ui",
			field: func(c *Config) any { return &c.UI },
		},

		{
			Name: "debug", Group: groupLog, Default: "true",
			Usage: "the server has the /debug/ URLs, which show every token; by default only if api_host is this machine",
			field: func(c *Config) any { return &c.Debug },
		},
		{
			Name: "debug_listen", Group: groupLog, Default: "",
			Usage: "profiles and the goroutines of the server are at this loopback address, such as 127.0.0.1:6060; empty means nowhere",
			field: func(c *Config) any { return &c.DebugListen }, form: "an address and a port such as 127.0.0.1:6060", check: checkDebugListen,
		},
		{
			Name: "log_level", Group: groupLog, Default: "info",
			Usage: "messages below this severity are not logged",
			field: func(c *Config) any { return &c.LogLevel }, choices: []string{"debug", "info", "warn", "error"},
		},
		{
			Name: "log_format", Group: groupLog, Default: "text",
			Usage: "log lines have this form",
			field: func(c *Config) any { return &c.LogFormat }, choices: []string{"text", "json"},
		},

		{
			Name: "max_connections", Group: groupLimits, Default: "0", Zero: "as many as file descriptors allow",
			Usage: "at most this many subscribers are connected at once",
			field: func(c *Config) any { return &c.MaxConnections }, min: 1, max: 10_000_000,
		},
		{
			Name: "api_connections", Group: groupLimits, Default: "0", Zero: "as many as file descriptors allow",
			Usage: "at most this many connections to the API are open at once",
			field: func(c *Config) any { return &c.APIConnections }, min: 1, max: 10_000_000,
		},
		{
			Name: "max_channels", Group: groupLimits, Default: "1000",
			Usage: "one subscriber may join this many channels",
			field: func(c *Config) any { return &c.MaxChannels }, min: 1, max: 1_000_000,
		},
		{
			Name: "channel_memory", Group: groupLimits, Default: "0", Zero: "a fifth of the machine's memory",
			Usage: "all joined channels together use at most this much memory",
			field: func(c *Config) any { return &c.ChannelMemory }, min: mib, max: tib,
		},
		{
			Name: "accept_rate", Group: groupLimits, Default: "5000", Zero: "no limit",
			Usage: "at most this many connections of subscribers are accepted per second",
			field: func(c *Config) any { return &c.AcceptRate }, min: 1, max: 10_000_000,
		},
		{
			Name: "max_message", Group: groupLimits, Default: "64KiB",
			Usage: "a message from a subscriber has at most this size",
			field: func(c *Config) any { return &c.MaxMessage }, min: kib, max: 64 * mib,
		},
		{
			Name: "compression", Group: groupLimits, Default: "true",
			Usage: "messages and answers are compressed for clients that accept it (permessage-deflate, gzip)",
			field: func(c *Config) any { return &c.Compression },
		},
		{
			Name: "compression_min", Group: groupLimits, Default: "128",
			Usage: "messages to subscribers are compressed from this size on",
			field: func(c *Config) any { return &c.CompressionMin }, min: 1, max: mib,
		},
		{
			Name: "max_body", Group: groupLimits, Default: "1MiB",
			Usage: "a request to the API has at most this size",
			field: func(c *Config) any { return &c.MaxBody }, min: kib, max: gib,
		},
		{
			Name: "peer_memory", Group: groupLimits, Default: "128MiB",
			Usage: "bytes held for all clients: requests that have arrived in part, answers not read yet",
			field: func(c *Config) any { return &c.PeerMemory }, min: mib, max: tib,
		},
		{
			Name: "workers", Group: groupLimits, Default: "0", Zero: "one for each processor",
			Usage: "this many goroutines write to subscribers",
			field: func(c *Config) any { return &c.Workers }, min: 1, max: 1024,
		},

		{
			Name: "trusted_proxies", Group: groupClient, Default: "",
			Usage: "the server accepts client addresses from these proxies (X-Forwarded-For)",
			field: func(c *Config) any { return &c.TrustedProxies }, form: networksForm, check: checkNetworks,
		},
		{
			Name: "proxy_protocol", Group: groupClient, Default: "false",
			Usage: "trusted_proxies begin each connection to the port for subscribers with a header of the PROXY protocol",
			field: func(c *Config) any { return &c.ProxyProtocol },
		},
		{
			Name: "unlimited_addresses", Group: groupClient, Default: "127.0.0.0/8, ::1",
			Usage: "no limit per address applies to these addresses",
			field: func(c *Config) any { return &c.UnlimitedAddresses }, form: networksForm, check: checkNetworks,
		},
		perClient("address_connections", "1000", "one address may have this many sessions at once", func(c *Config) *int { return &c.AddressConnections }),
		perClient("address_accepts", "200", "one address may open this many connections per second", func(c *Config) *int { return &c.AddressAccepts }),
		perClient("address_requests", "1000", "one address may send this many requests per second", func(c *Config) *int { return &c.AddressRequests }),
		bytesPerClient("address_bytes", "16MiB", "one address may send this many bytes per second", func(c *Config) *int64 { return &c.AddressBytes }),
		perClient("address_failures", "20", "after this many failed authentications per minute an address has to wait", func(c *Config) *int { return &c.AddressFailures }),
		perClient("address_channels", "50000", "all sessions from one address together may join this many channels", func(c *Config) *int { return &c.AddressChannels }),
		perClient("user_connections", "100", "one user may have this many sessions at once", func(c *Config) *int { return &c.UserConnections }),
		perClient("user_requests", "200", "one user may send this many requests per second", func(c *Config) *int { return &c.UserRequests }),
		perClient("user_publishes", "100", "one user may publish this many messages per second", func(c *Config) *int { return &c.UserPublishes }),
		bytesPerClient("user_bytes", "4MiB", "one user may send this many bytes per second", func(c *Config) *int64 { return &c.UserBytes }),
		perClient("user_channels", "10000", "all sessions of one user together may join this many channels", func(c *Config) *int { return &c.UserChannels }),
		perClient("key_requests", "0", "one API key may be used for this many requests per second", func(c *Config) *int { return &c.KeyRequests }),
		perClient("key_publishes", "0", "one API key may publish this many messages per second", func(c *Config) *int { return &c.KeyPublishes }),
		bytesPerClient("key_bytes", "0", "one API key may send this many bytes per second", func(c *Config) *int64 { return &c.KeyBytes }),

		{
			Name: "header_timeout", Group: groupTime, Default: "10s",
			Usage: "a connection must send its request header within this time",
			field: func(c *Config) any { return &c.HeaderTimeout }, min: int64(time.Second), max: int64(time.Hour),
		},
		{
			Name: "anonymous_timeout", Group: groupTime, Default: "0s", Zero: "no limit",
			Usage: "a subscriber may stay this long without a token",
			field: func(c *Config) any { return &c.AnonymousTimeout }, min: int64(time.Second), max: day,
		},
		{
			Name: "ws_ping_interval", Group: groupTime, Default: "25s", Zero: "no pings",
			Usage: "the server pings subscribers this often, to find those that are gone",
			field: func(c *Config) any { return &c.WSPingInterval }, min: int64(time.Second), max: day,
		},
		{
			Name: "ws_ping_timeout", Group: groupTime, Default: "20s",
			Usage: "a subscriber must answer a ping within this time; at most ws_ping_interval",
			field: func(c *Config) any { return &c.WSPingTimeout }, min: int64(time.Second), max: day,
		},
		{
			Name: "shutdown_delay", Group: groupTime, Default: "0s", Zero: "no delay",
			Usage: "after the signal to stop, the server still serves this long while /readyz answers 503",
			field: func(c *Config) any { return &c.ShutdownDelay }, min: int64(time.Second), max: int64(time.Hour),
		},
		{
			Name: "drain_time", Group: groupTime, Default: "10s", Zero: "all at once",
			Usage: "when it stops, the server closes all connections of subscribers within this time",
			field: func(c *Config) any { return &c.DrainTime }, min: int64(time.Second), max: int64(time.Hour),
		},

		{
			Name: "engine", Group: groupHistory, Default: EngineMemory,
			Usage: "messages are kept in memory, on disk in data_dir, by the cluster_peers, or on NATS servers: nats://HOST,HOST,HOST",
			field: func(c *Config) any { return &c.Engine }, form: engineForm, check: checkEngine, secret: true,
		},
		{
			Name: "durable", Group: groupHistory, Default: DurableSync,
			Usage: "with engine disk, sync keeps messages on disk, and memory keeps them in memory only",
			field: func(c *Config) any { return &c.Durable }, choices: []string{DurableSync, DurableMemory},
		},
		{
			Name: "sync_interval", Group: groupHistory, Default: "0s", Zero: "before each reply",
			Usage: "with engine disk or cluster, the server waits for the disk this often; a power failure may lose the messages of this time",
			field: func(c *Config) any { return &c.SyncInterval }, min: int64(time.Millisecond), max: int64(time.Minute),
		},
		{
			Name: "history_messages", Group: groupHistory, Default: "10000", Zero: "none",
			Usage: "the server keeps this many messages of a channel",
			field: func(c *Config) any { return &c.HistoryMessages }, min: 1, max: 100_000_000,
		},
		{
			Name: "history_bytes", Group: groupHistory, Default: "16MiB",
			Usage: "the server keeps this many bytes of a channel",
			field: func(c *Config) any { return &c.HistoryBytes }, min: kib, max: tib,
		},
		{
			Name: "history_age", Group: groupHistory, Default: "5m",
			Usage: "the server keeps a message this long; with engine disk and with several nodes the default is 1d",
			field: func(c *Config) any { return &c.HistoryAge }, min: int64(time.Second), max: 365 * day,
		},
		{
			Name: "history_memory", Group: groupHistory, Default: "256MiB",
			Usage: "the history of all channels together takes at most this much memory",
			field: func(c *Config) any { return &c.HistoryMemory }, min: mib, max: tib,
		},
		{
			Name: "history_disk", Group: groupHistory, Default: "4GiB",
			Usage: "with engine disk, the history of all channels together takes at most this much of the disk",
			field: func(c *Config) any { return &c.HistoryDisk }, min: minHistoryDisk, max: tib,
		},
		{
			Name: "disk_free", Group: groupHistory, Default: "256MiB", Zero: "none",
			Usage: "with engine disk, the server leaves this much of the disk free",
			field: func(c *Config) any { return &c.DiskFree }, min: mib, max: tib,
		},

		{
			Name: "rules", Group: groupRules, Default: "",
			Usage: "these rules apply to channels by pattern, the first match counts; see docs/configuration.md",
			field: func(c *Config) any { return &c.Rules }, form: rulesForm,
		},
		{
			Name: "presence_linger", Group: groupRules, Default: "5s", Zero: "at once",
			Usage: "a subscriber whose connection was lost still counts as present for this long",
			field: func(c *Config) any { return &c.PresenceLinger }, min: int64(time.Second), max: int64(time.Hour),
		},
		{
			Name: "presence_users", Group: groupRules, Default: "1000",
			Usage: "the server only counts the users of a channel that has more than this",
			field: func(c *Config) any { return &c.PresenceUsers }, min: 1, max: 1_000_000,
		},
		{
			Name: "idempotency_window", Group: groupRules, Default: "2m", Zero: "keys have no effect",
			Usage: "the server remembers the idempotency key of a message this long",
			field: func(c *Config) any { return &c.IdempotencyWindow }, min: int64(time.Second), max: day,
		},
	}, slices.Concat(clusterOptions(), tlsOptions())...)
}

// perClient returns a row of the table for a number that limits one client.
func perClient(name, byDefault, usage string, field func(*Config) *int) Option {
	return Option{
		Name: name, Group: groupClient, Default: byDefault, Zero: "no limit", Usage: usage,
		field: func(c *Config) any { return field(c) }, min: 1, max: 10_000_000,
	}
}

// bytesPerClient returns a row of the table for a size that limits one client.
func bytesPerClient(name, byDefault, usage string, field func(*Config) *int64) Option {
	return Option{
		Name: name, Group: groupClient, Default: byDefault, Zero: "no limit", Usage: usage,
		field: func(c *Config) any { return field(c) }, min: kib, max: tib,
	}
}
