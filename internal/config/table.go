package config

import (
	"math"
	"time"
)

// Groups of options, as help shows them.
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
	day     = int64(24 * time.Hour)
)

// Options returns the table of options, in the order in which they are shown.
func Options() []Option {
	return append([]Option{
		{
			Name: "config", Group: groupListen, Default: "", FlagOnly: true,
			Usage: "file with options; without it boreas.toml, else boreas.conf, of the working directory",
			field: func(c *Config) any { return &c.File }, form: "a file's name",
		},
		{
			Name: "api_host", Group: groupListen, Default: "127.0.0.1",
			Usage: "address for the API: publishing, tokens, state",
			field: func(c *Config) any { return &c.APIHost }, form: hostForm, check: checkHost,
		},
		{
			Name: "api_port", Group: groupListen, Default: "8001", Zero: "any free port",
			Usage: "port for the API",
			field: func(c *Config) any { return &c.APIPort }, min: 1, max: maxPort,
		},
		{
			Name: "ws_host", Group: groupListen, Default: "127.0.0.1",
			Usage: "address for subscribers",
			field: func(c *Config) any { return &c.WSHost }, form: hostForm, check: checkHost,
		},
		{
			Name: "ws_port", Group: groupListen, Default: "8002", Zero: "any free port",
			Usage: "port for subscribers",
			field: func(c *Config) any { return &c.WSPort }, min: 1, max: maxPort,
		},

		{
			Name: "require_auth", Group: groupAuth, Default: "true",
			Usage: "subscribers must send a token before they may join channels",
			field: func(c *Config) any { return &c.RequireAuth },
		},
		{
			Name: "allow_origin", Group: groupAuth, Default: "*",
			Usage: "origins whose pages may read events and answers: * for all, or a list with commas",
			field: func(c *Config) any { return &c.AllowOrigin }, form: originForm, check: checkOrigins,
		},
		{
			Name: "token_provider", Group: groupAuth, Default: "no_tokens",
			Usage: "where to get tokens from at start: no_tokens, file:PATH, exec:COMMAND or http(s)://URL",
			field: func(c *Config) any { return &c.TokenProvider }, form: providerForm, check: checkProvider, secret: true,
		},
		{
			Name: "token_provider_timeout", Group: groupAuth, Default: "10s",
			Usage: "how long that may take",
			field: func(c *Config) any { return &c.TokenProviderTimeout }, min: int64(time.Second), max: int64(time.Hour),
		},

		{
			Name: "token_cookie", Group: groupAuth, Default: "",
			Usage: "cookie in which browsers may send a token; needs allow_origin to name the origins",
			field: func(c *Config) any { return &c.TokenCookie }, form: "a cookie's name", check: checkName,
		},
		{
			Name: "data_dir", Group: groupAuth, Default: "",
			Usage: "directory in which tokens, keys and revocations outlive a restart; without it they are forgotten",
			field: func(c *Config) any { return &c.DataDir }, form: "a directory",
		},

		{
			Name: "jwt_keys", Group: groupJWT, Default: "",
			Usage: "keys that sign JWTs, with spaces between them: hs256:FILE (a secret), file:FILE (PEM or JWKS), https://URL (JWKS)",
			field: func(c *Config) any { return &c.JWTKeys }, form: jwtKeysForm, check: checkJWTKeys, secret: true, hidden: true,
		},
		{
			Name: "jwt_issuer", Group: groupJWT, Default: "",
			Usage: "iss that a JWT must have; without it any will do",
			field: func(c *Config) any { return &c.JWTIssuer }, form: "a text",
		},
		{
			Name: "jwt_audience", Group: groupJWT, Default: "",
			Usage: "aud that a JWT must have; without it any will do",
			field: func(c *Config) any { return &c.JWTAudience }, form: "a text",
		},
		{
			Name: "jwt_leeway", Group: groupJWT, Default: "30s",
			Usage: "how far the clocks of this machine and the issuer may differ",
			field: func(c *Config) any { return &c.JWTLeeway }, min: int64(time.Second), max: int64(5 * time.Minute),
		},
		{
			Name: "jwt_user_claim", Group: groupJWT, Default: "sub",
			Usage: "claim with the user's name; dots lead into objects",
			field: func(c *Config) any { return &c.JWTUserClaim }, form: "a claim's name", check: checkName,
		},
		{
			Name: "jwt_rules_claim", Group: groupJWT, Default: "boreas",
			Usage: "claim with the token's rules; dots lead into objects",
			field: func(c *Config) any { return &c.JWTRulesClaim }, form: "a claim's name", check: checkName,
		},
		{
			Name: "jwt_default_rules", Group: groupJWT, Default: "",
			Usage: "rules of JWTs that have none, as JSON; without it they are refused",
			field: func(c *Config) any { return &c.JWTDefaultRules }, form: "a JSON list of rules",
		},

		{
			Name: "auth_url", Group: groupBackend, Default: "",
			Usage: "URL of your backend that is asked about tokens that nobody else knows",
			field: func(c *Config) any { return &c.AuthURL }, form: "a URL that begins with http:// or https://", check: checkHTTP, secret: true,
		},
		{
			Name: "auth_url_headers", Group: groupBackend, Default: "",
			Usage: "headers of a client's request that the backend gets, with commas between them",
			field: func(c *Config) any { return &c.AuthURLHeaders }, form: "names of headers with commas between them", check: checkHeaders,
		},
		{
			Name: "auth_url_timeout", Group: groupBackend, Default: "3s",
			Usage: "how long the backend may take",
			field: func(c *Config) any { return &c.AuthURLTimeout }, min: int64(100 * time.Millisecond), max: int64(time.Minute),
		},

		{
			Name: "api_insecure", Group: groupKeys, Default: "false",
			Usage: "let everybody use the API who reaches it, also from other machines and without a key",
			field: func(c *Config) any { return &c.APIInsecure },
		},
		{
			Name: "api_hosts", Group: groupKeys, Default: "",
			Usage: "names under which the API may be asked for while it needs no key, beside localhost",
			field: func(c *Config) any { return &c.APIHosts }, form: "host names with commas between them",
		},

		{
			Name: "debug", Group: groupLog, Default: "true",
			Usage: "serve the /debug/ URLs, which show every token; by default only if api_host is this machine",
			field: func(c *Config) any { return &c.Debug },
		},
		{
			Name: "log_level", Group: groupLog, Default: "info",
			Usage: "least severe messages to log",
			field: func(c *Config) any { return &c.LogLevel }, choices: []string{"debug", "info", "warn", "error"},
		},
		{
			Name: "log_format", Group: groupLog, Default: "text",
			Usage: "form of the log's lines",
			field: func(c *Config) any { return &c.LogFormat }, choices: []string{"text", "json"},
		},

		{
			Name: "max_connections", Group: groupLimits, Default: "0", Zero: "as many as file descriptors allow",
			Usage: "subscribers at once",
			field: func(c *Config) any { return &c.MaxConnections }, min: 1, max: 10_000_000,
		},
		{
			Name: "max_channels", Group: groupLimits, Default: "1000",
			Usage: "channels that one subscriber may join",
			field: func(c *Config) any { return &c.MaxChannels }, min: 1, max: 1_000_000,
		},
		{
			Name: "accept_rate", Group: groupLimits, Default: "5000", Zero: "no bound",
			Usage: "new connections of subscribers a second",
			field: func(c *Config) any { return &c.AcceptRate }, min: 1, max: 10_000_000,
		},
		{
			Name: "max_message", Group: groupLimits, Default: "64KiB",
			Usage: "size of one message from a subscriber",
			field: func(c *Config) any { return &c.MaxMessage }, min: kib, max: 64 * mib,
		},
		{
			Name: "max_body", Group: groupLimits, Default: "1MiB",
			Usage: "size of one request to the API",
			field: func(c *Config) any { return &c.MaxBody }, min: kib, max: gib,
		},
		{
			Name: "workers", Group: groupLimits, Default: "0", Zero: "one a processor",
			Usage: "goroutines that write to subscribers",
			field: func(c *Config) any { return &c.Workers }, min: 1, max: 1024,
		},

		{
			Name: "trusted_proxies", Group: groupClient, Default: "",
			Usage: "proxies that are believed when they say who the client is (X-Forwarded-For)",
			field: func(c *Config) any { return &c.TrustedProxies }, form: networksForm, check: checkNetworks,
		},
		{
			Name: "proxy_protocol", Group: groupClient, Default: "false",
			Usage: "trusted_proxies begin each connection to the port for subscribers with a header of the PROXY protocol",
			field: func(c *Config) any { return &c.ProxyProtocol },
		},
		{
			Name: "unlimited_addresses", Group: groupClient, Default: "127.0.0.0/8, ::1",
			Usage: "addresses to which none of the limits of an address applies",
			field: func(c *Config) any { return &c.UnlimitedAddresses }, form: networksForm, check: checkNetworks,
		},
		perClient("address_connections", "1000", "sessions from one address at once", func(c *Config) *int { return &c.AddressConnections }),
		perClient("address_accepts", "200", "new connections from one address a second", func(c *Config) *int { return &c.AddressAccepts }),
		perClient("address_requests", "1000", "requests from one address a second", func(c *Config) *int { return &c.AddressRequests }),
		bytesPerClient("address_bytes", "16MiB", "bytes that one address sends a second", func(c *Config) *int64 { return &c.AddressBytes }),
		perClient("address_failures", "20", "failed authentications from one address a minute, after which it has to wait", func(c *Config) *int { return &c.AddressFailures }),
		perClient("user_connections", "100", "sessions of one user at once", func(c *Config) *int { return &c.UserConnections }),
		perClient("user_requests", "200", "requests of one user a second", func(c *Config) *int { return &c.UserRequests }),
		perClient("user_publishes", "100", "messages that one user publishes a second", func(c *Config) *int { return &c.UserPublishes }),
		bytesPerClient("user_bytes", "4MiB", "bytes that one user sends a second", func(c *Config) *int64 { return &c.UserBytes }),
		perClient("user_channels", "10000", "channels that all sessions of one user have joined together", func(c *Config) *int { return &c.UserChannels }),
		perClient("key_requests", "0", "requests with one API key a second", func(c *Config) *int { return &c.KeyRequests }),
		perClient("key_publishes", "0", "messages published with one API key a second", func(c *Config) *int { return &c.KeyPublishes }),
		bytesPerClient("key_bytes", "0", "bytes sent with one API key a second", func(c *Config) *int64 { return &c.KeyBytes }),

		{
			Name: "header_timeout", Group: groupTime, Default: "10s",
			Usage: "for a connection to send its request's header",
			field: func(c *Config) any { return &c.HeaderTimeout }, min: int64(time.Second), max: int64(time.Hour),
		},
		{
			Name: "anonymous_timeout", Group: groupTime, Default: "0s", Zero: "for ever",
			Usage: "how long a subscriber may stay without a token",
			field: func(c *Config) any { return &c.AnonymousTimeout }, min: int64(time.Second), max: day,
		},
		{
			Name: "ws_ping_interval", Group: groupTime, Default: "25s", Zero: "no pings",
			Usage: "how often subscribers are pinged, to find those that are gone",
			field: func(c *Config) any { return &c.WSPingInterval }, min: int64(time.Second), max: day,
		},
		{
			Name: "ws_ping_timeout", Group: groupTime, Default: "20s",
			Usage: "how long after a ping a silent subscriber is given up; at most ws_ping_interval",
			field: func(c *Config) any { return &c.WSPingTimeout }, min: int64(time.Second), max: day,
		},
		{
			Name: "drain_time", Group: groupTime, Default: "10s", Zero: "all at once",
			Usage: "over how long subscribers are sent away when the server stops",
			field: func(c *Config) any { return &c.DrainTime }, min: int64(time.Second), max: int64(time.Hour),
		},

		{
			Name: "history_messages", Group: groupHistory, Default: "10000", Zero: "none",
			Usage: "messages kept of a channel",
			field: func(c *Config) any { return &c.HistoryMessages }, min: 1, max: 100_000_000,
		},
		{
			Name: "history_bytes", Group: groupHistory, Default: "16MiB",
			Usage: "size of what is kept of a channel",
			field: func(c *Config) any { return &c.HistoryBytes }, min: kib, max: tib,
		},
		{
			Name: "history_age", Group: groupHistory, Default: "5m",
			Usage: "how long a message is kept",
			field: func(c *Config) any { return &c.HistoryAge }, min: int64(time.Second), max: 365 * day,
		},
		{
			Name: "history_memory", Group: groupHistory, Default: "256MiB",
			Usage: "size of what is kept of all channels together",
			field: func(c *Config) any { return &c.HistoryMemory }, min: mib, max: tib,
		},

		{
			Name: "rules", Group: groupRules, Default: "",
			Usage: "rules for channels by pattern, the first match counts; see docs/configuration.md",
			field: func(c *Config) any { return &c.Rules }, form: rulesForm,
		},
		{
			Name: "presence_linger", Group: groupRules, Default: "5s", Zero: "at once",
			Usage: "how long a subscriber whose connection was lost still counts as present",
			field: func(c *Config) any { return &c.PresenceLinger }, min: int64(time.Second), max: int64(time.Hour),
		},
		{
			Name: "presence_users", Group: groupRules, Default: "1000",
			Usage: "users on a channel above which they are only counted",
			field: func(c *Config) any { return &c.PresenceUsers }, min: 1, max: 1_000_000,
		},
		{
			Name: "idempotency_window", Group: groupRules, Default: "2m", Zero: "keys mean nothing",
			Usage: "how long a message's idempotency key is remembered",
			field: func(c *Config) any { return &c.IdempotencyWindow }, min: int64(time.Second), max: day,
		},
	}, tlsOptions()...)
}

// perClient is the row of a number that bounds what one client does.
func perClient(name, byDefault, usage string, field func(*Config) *int) Option {
	return Option{
		Name: name, Group: groupClient, Default: byDefault, Zero: "no bound", Usage: usage,
		field: func(c *Config) any { return field(c) }, min: 1, max: 10_000_000,
	}
}

// bytesPerClient is the row of a size that does.
func bytesPerClient(name, byDefault, usage string, field func(*Config) *int64) Option {
	return Option{
		Name: name, Group: groupClient, Default: byDefault, Zero: "no bound", Usage: usage,
		field: func(c *Config) any { return field(c) }, min: kib, max: tib,
	}
}
