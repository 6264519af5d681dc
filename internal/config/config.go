// Package config holds the server's options: their names, bounds and defaults in
// one table, from which come the flags, the environment variables, what may stand
// in a file, the help and the documentation.
//
// A value is taken from the first place that gives one: command line, environment,
// file, default. The file is TOML (boreas.toml) or the format of Boreas 1.0
// (boreas.conf): lines of `name = value` with Python's literals.
//
// Nothing is passed over: an unknown name or a bad value is an [Error] that says
// where it stands and what could stand there instead.
package config

import (
	"net"
	"strconv"
	"strings"
	"time"
)

// Config has the value of each option. Get one from [Load] or [Default]: the zero
// Config is not usable.
type Config struct {
	APIHost string // "" means all addresses
	APIPort int    // 0 means any free port
	WSHost  string
	WSPort  int

	Debug       bool
	RequireAuth bool

	TokenProvider        string
	TokenProviderTimeout time.Duration

	TokenCookie string // "" means that cookies are not looked at

	JWTKeys         string // see JWTKeyList; "" means that no JWT is valid
	JWTIssuer       string // "" is not looked at; the same of JWTAudience
	JWTAudience     string
	JWTLeeway       time.Duration
	JWTUserClaim    string
	JWTRulesClaim   string
	JWTInfoClaim    string
	JWTDefaultRules string // a JSON list; "" means that a JWT without rules is refused

	AuthURL        string // "" means that no backend is asked
	AuthURLHeaders string // see AuthHeaders
	AuthURLTimeout time.Duration

	DataDir     string // "" means that nothing outlives a restart
	APIInsecure bool
	APIHosts    string // see AllowedHosts

	LogLevel  string // debug, info, warn or error
	LogFormat string // text or json

	MaxConnections int
	APIConnections int   // 0 means as many as file descriptors allow
	MaxChannels    int   // of one session
	ChannelMemory  int64 // bytes that joined channels may cost; 0 means a part of the machine's memory
	MaxMessage     int64 // bytes of a message from a client
	PeerMemory     int64 // bytes held for all clients
	MaxBody        int64 // bytes of a request's body

	HeaderTimeout    time.Duration
	AnonymousTimeout time.Duration // 0 means never
	WSPingInterval   time.Duration // 0 means no pings
	WSPingTimeout    time.Duration
	ShutdownDelay    time.Duration
	DrainTime        time.Duration

	HistoryMessages int // of one channel; 0 means none
	HistoryBytes    int64
	HistoryAge      time.Duration
	HistoryMemory   int64 // of all channels together

	Rules             []Rule // the first that matches a channel counts; see ChannelRules
	PresenceLinger    time.Duration
	PresenceUsers     int
	IdempotencyWindow time.Duration // 0 means that keys mean nothing
	AcceptRate        int           // connections a second; 0 means no bound
	AllowOrigin       string        // see AllowedOrigins

	Workers int // 0 means one a processor

	TrustedProxies     string // see Trusted
	ProxyProtocol      bool
	UnlimitedAddresses string // see Unlimited

	// What one client may do; 0 means no bound. Those of users are for those whom a
	// backend has named.
	AddressConnections int
	AddressAccepts     int   // a second
	AddressRequests    int   // a second
	AddressBytes       int64 // a second
	AddressFailures    int   // a minute
	AddressChannels    int
	UserConnections    int
	UserRequests       int   // a second
	UserPublishes      int   // a second
	UserBytes          int64 // a second
	UserChannels       int
	KeyRequests        int   // a second
	KeyPublishes       int   // a second
	KeyBytes           int64 // a second

	APITLSCert  string // file; "" means no TLS
	APITLSKey   string
	WSTLSCert   string // as APITLSCert; see WSTLS
	WSTLSKey    string
	APIClientCA string // file; "" means that clients need no certificates

	ACMEDomains   string // see Domains
	ACMECache     string // directory
	ACMEEmail     string
	ACMEDirectory string // URL; "" means Let's Encrypt
	ACMECA        string // file; "" means the system's authorities

	// File is the configuration file in use, "" if none is.
	File string

	// Notes are sentences that the operator should read once, at start.
	Notes []string

	origins map[string]string // option to where its value came from; absent means the default
}

// Default returns a Config with the default of every option.
func Default() Config {
	var c Config
	for _, o := range Options() {
		if err := o.set(&c, value{text: o.Default}); err != nil {
			panic("config: default of " + o.Name + ": " + err.Error()) // a mistake in the table
		}
	}
	return c
}

// DefaultOrigin is what [Config.Origin] says of an option that was given nowhere.
const DefaultOrigin = "default"

// Origin tells where the value of the named option came from: "--api-port",
// "BOREAS_API_PORT", "boreas.toml:3" or [DefaultOrigin].
func (c Config) Origin(name string) string {
	if origin, ok := c.origins[name]; ok {
		return origin
	}
	return DefaultOrigin
}

// Given reports whether the named option has been given a value anywhere.
func (c Config) Given(name string) bool {
	_, ok := c.origins[name]
	return ok
}

// APIAddr is the address to listen on for the API, as net.Listen takes it.
func (c Config) APIAddr() string { return net.JoinHostPort(c.APIHost, strconv.Itoa(c.APIPort)) }

// WSAddr is the address to listen on for WebSockets, as net.Listen takes it.
func (c Config) WSAddr() string { return net.JoinHostPort(c.WSHost, strconv.Itoa(c.WSPort)) }

// JWTKeyList is what JWTKeys names, in order.
func (c Config) JWTKeyList() []string { return strings.FieldsFunc(c.JWTKeys, isListSpace) }

// AuthHeaders are the headers of a client's request that the backend is asked with.
func (c Config) AuthHeaders() []string { return strings.FieldsFunc(c.AuthURLHeaders, isListSeparator) }

// AllowedHosts are the names under which the API may be asked for, beside this machine's.
func (c Config) AllowedHosts() []string { return strings.FieldsFunc(c.APIHosts, isListSeparator) }

func isListSeparator(r rune) bool { return r == ',' || r == ' ' }
func isListSpace(r rune) bool     { return r == ' ' || r == '\n' || r == '\t' }

// AllowedOrigins are the origins whose pages may read what the server answers: "*"
// alone for all.
func (c Config) AllowedOrigins() []string {
	return strings.FieldsFunc(c.AllowOrigin, isListSeparator)
}
