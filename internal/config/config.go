// Package config holds the server's options. One table has their names, limits and defaults. The
// flags, the environment variables, the names in files, the help and the documentation all come
// from this table.
//
// If an option is set in several places, the order is: command line, environment, file, default.
// The file is TOML (boreas.toml) or has the format of Boreas 1.0 (boreas.conf): lines such as
// `name = value` with Python literals.
//
// Nothing is ignored. An unknown name or an invalid value is an [Error] that says where it is and
// which names or values are valid.
package config

import (
	"net"
	"strconv"
	"strings"
	"time"
)

// Config has the value of each option. [Load] and [Default] return one. The zero Config is not
// valid.
type Config struct {
	APIHost string // "" means all addresses
	APIPort int    // 0 means any free port
	WSHost  string
	WSPort  int

	Debug       bool
	RequireAuth bool

	TokenProvider        string
	TokenProviderTimeout time.Duration

	TokenCookie string // "" means that cookies are ignored

	JWTKeys         string // see JWTKeyList; "" means that no JWT is valid
	JWTIssuer       string // "" means that any issuer is accepted; likewise JWTAudience
	JWTAudience     string
	JWTLeeway       time.Duration
	JWTUserClaim    string
	JWTRulesClaim   string
	JWTInfoClaim    string
	JWTDefaultRules string // a JSON list; "" means that a JWT without rules is refused

	AuthURL        string // "" means that there is no backend
	AuthURLHeaders string // see AuthHeaders
	AuthURLTimeout time.Duration

	DataDir     string // "" means that a restart loses messages, tokens, keys and revocations
	APIInsecure bool
	APIHosts    string // see AllowedHosts
	AdminKey    string // the key itself, or "file:" and the file that contains it; "" means none
	UI          bool

	DebugListen string // host:port on a loopback address; "" means no debug listener

	LogLevel  string // debug, info, warn or error
	LogFormat string // text or json

	MaxConnections int
	APIConnections int   // 0 means as many as file descriptors allow
	MaxChannels    int   // per session
	ChannelMemory  int64 // bytes that joined channels may take; 0 means a part of the machine's memory
	MaxMessage     int64 // bytes of a message from a client
	Compression    bool  // of messages on WebSockets
	CompressionMin int64 // bytes of a message that is compressed
	PeerMemory     int64 // bytes held for all clients
	MaxBody        int64 // bytes of the body of a request

	HeaderTimeout    time.Duration
	AnonymousTimeout time.Duration // 0 means never
	WSPingInterval   time.Duration // 0 means no pings
	WSPingTimeout    time.Duration
	ShutdownDelay    time.Duration
	DrainTime        time.Duration

	Engine       string        // EngineMemory, EngineDisk, EngineCluster, or addresses; see NATSServers
	Durable      string        // DurableSync or DurableMemory, with EngineDisk
	SyncInterval time.Duration // 0 means before each acknowledgement

	HistoryMessages int // per channel; 0 means none
	HistoryBytes    int64
	HistoryAge      time.Duration
	HistoryMemory   int64 // for all channels together
	HistoryDisk     int64 // likewise, with EngineDisk
	DiskFree        int64 // bytes that the file system keeps for others; 0 means none

	// Several nodes. A password is the secret itself, or "file:" and the file that contains it.
	Node            string // "" means the name of the host
	ClusterPeers    string // see Peers
	ClusterSecret   string // a password
	ClusterListen   string // host:port; "" means as in ClusterPeers
	ClusterCA       string // file; "" means no TLS, likewise the next two
	ClusterCert     string
	ClusterKey      string
	ClusterInsecure bool
	ClusterHistory  int64 // bytes on each server that keeps messages
	NATSReplicas    int
	NATSPrefix      string
	NATSUser        string
	NATSPassword    string // a password
	NATSToken       string // a password
	NATSNKey        string // file
	NATSCreds       string // file
	NATSCA          string // file; "" means the system's authorities
	NATSCert        string // file
	NATSKey         string // file

	Rules             []Rule // the first rule that matches a channel applies; see ChannelRules
	PresenceLinger    time.Duration
	PresenceUsers     int
	IdempotencyWindow time.Duration // 0 means that keys have no effect
	AcceptRate        int           // connections per second; 0 means no limit
	AllowOrigin       string        // see AllowedOrigins

	Workers int // 0 means one per processor

	TrustedProxies     string // see Trusted
	ProxyProtocol      bool
	UnlimitedAddresses string // see Unlimited

	// Limits of one client; 0 means no limit. The limits of users apply only to users whose names a
	// backend has confirmed.
	AddressConnections int
	AddressAccepts     int   // per second
	AddressRequests    int   // per second
	AddressBytes       int64 // per second
	AddressFailures    int   // per minute
	AddressChannels    int
	UserConnections    int
	UserRequests       int   // per second
	UserPublishes      int   // per second
	UserBytes          int64 // per second
	UserChannels       int
	KeyRequests        int   // per second
	KeyPublishes       int   // per second
	KeyBytes           int64 // per second

	APITLSCert  string // file; "" means no TLS
	APITLSKey   string
	WSTLSCert   string // as APITLSCert; see WSTLS
	WSTLSKey    string
	APIClientCA string // file; "" means that clients need no certificates

	ACMEDomains   string // see Domains
	ACMECache     string // directory
	ACMEEmail     string
	ACMEDirectory string // URL; "" means Let's Encrypt
	ACMECA        string // file; "" means the system's certificate authorities

	// File is the configuration file that was read, or "".
	File string

	// Notes are sentences for the operator, to be shown once at start.
	Notes []string

	origins map[string]string // from each option to the source of its value; an absent option has its default
}

// Values of Config.Engine.
const (
	EngineMemory  = "memory"
	EngineDisk    = "disk"    // needs DataDir
	EngineCluster = "cluster" // needs ClusterPeers and DataDir
)

// Values of Config.Durable and Rule.Durable.
const (
	DurableSync   = "sync"
	DurableMemory = "memory"
)

// Default returns a Config with the default of every option.
func Default() Config {
	var c Config
	for _, o := range Options() {
		if err := o.set(&c, value{text: o.Default}); err != nil {
			panic("config: default of " + o.Name + ": " + err.Error()) // the table is wrong
		}
	}
	return c
}

// DefaultOrigin is the result of [Config.Origin] for an option that has its default.
const DefaultOrigin = "default"

// Origin returns the source of the named option's value: "--api-port", "BOREAS_API_PORT",
// "boreas.toml:3" or [DefaultOrigin].
func (c Config) Origin(name string) string {
	if origin, ok := c.origins[name]; ok {
		return origin
	}
	return DefaultOrigin
}

// Given reports whether the named option has been set in any source.
func (c Config) Given(name string) bool {
	_, ok := c.origins[name]
	return ok
}

// APIAddr returns the address to listen on for the API, in the form of net.Listen.
func (c Config) APIAddr() string { return net.JoinHostPort(c.APIHost, strconv.Itoa(c.APIPort)) }

// WSAddr returns the address to listen on for WebSockets, in the form of net.Listen.
func (c Config) WSAddr() string { return net.JoinHostPort(c.WSHost, strconv.Itoa(c.WSPort)) }

// JWTKeyList returns the keys in JWTKeys, in order.
func (c Config) JWTKeyList() []string { return strings.FieldsFunc(c.JWTKeys, isListSpace) }

// AuthHeaders returns the headers of a client's request that the backend receives.
func (c Config) AuthHeaders() []string { return strings.FieldsFunc(c.AuthURLHeaders, isListSeparator) }

// AllowedHosts returns the host names that requests to the API may have, besides this machine's
// names.
func (c Config) AllowedHosts() []string { return strings.FieldsFunc(c.APIHosts, isListSeparator) }

func isListSeparator(r rune) bool { return r == ',' || r == ' ' }
func isListSpace(r rune) bool     { return r == ' ' || r == '\n' || r == '\t' }

// AllowedOrigins returns the origins whose pages may read the server's responses. "*" alone means
// all origins.
func (c Config) AllowedOrigins() []string {
	return strings.FieldsFunc(c.AllowOrigin, isListSeparator)
}
