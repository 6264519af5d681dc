package client

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

const (
	defaultHandshakeTimeout = 10 * time.Second
	defaultPingAfter        = 30 * time.Second
	defaultPingTimeout      = 15 * time.Second
	defaultReadLimit        = 2 << 20 // twice the largest message that a server accepts by default
	defaultMinBackoff       = 500 * time.Millisecond
	defaultMaxBackoff       = 30 * time.Second
)

// SubscriberOptions configure a [Subscriber]. The zero value connects to a server on this machine
// and sends no token, so it is useful only with a server that requires none.
type SubscriberOptions struct {
	// URL is the WebSocket URL of the server, ws:// or wss://; "" means [DefaultWS].
	URL string

	// Token is sent to the server on each connection. The classic wire does not report an invalid
	// token: the subscriber then receives nothing.
	Token string

	// TokenFunc, if not nil, is called for the token before each connection. Set either TokenFunc
	// or Token. If it returns an error, the attempt to connect has failed.
	TokenFunc func(context.Context) (string, error)

	// Channels are joined on each connection. [Subscriber.Join] and
	// [Subscriber.Leave] change them.
	Channels []string

	// OnState, if not nil, is called with each change of the connection. The loop over
	// [Subscriber.Messages] calls it between two messages. It must not block.
	OnState func(State)

	// Compression offers compression to the server (permessage-deflate). A server may decline. The
	// connection then needs 32 KiB more memory.
	Compression bool

	// ReadLimit is the largest accepted frame in bytes, after decompression; 0 means 2 MiB. A larger
	// frame ends the connection.
	ReadLimit int64

	// PingAfter is how long the server may be silent before it is pinged; 0 means 30 s. PingTimeout
	// is the timeout for the pong, and for each write; 0 means 15 s. Their sum bounds how long a
	// dead connection goes unnoticed.
	PingAfter, PingTimeout time.Duration

	// HandshakeTimeout is the timeout for connecting, including TLS and HTTP; 0 means 10 s.
	HandshakeTimeout time.Duration

	// MinBackoff and MaxBackoff bound the random wait before a new attempt. The wait is at most
	// MinBackoff after the first failure, at most twice that after the second, and so on, and never
	// more than MaxBackoff. While no server answers, it is at most 4 s for the first minute. A
	// connection that lasted for a second after its joins resets the backoff. Zero values mean
	// 500 ms and 30 s.
	MinBackoff, MaxBackoff time.Duration

	// HTTP makes the handshake; nil means a default client. Set its Transport to use your own TLS
	// configuration or proxy. Do not set its Timeout. Redirects are not followed, even if
	// CheckRedirect allows them.
	HTTP *http.Client
}

// withDefaults returns the options with defaults for omitted ones, or an error if they are
// invalid.
func (o SubscriberOptions) withDefaults() (SubscriberOptions, error) {
	o.URL = cmp.Or(o.URL, DefaultWS)
	if _, err := parseURL("WebSocket", o.URL, "ws://HOST:PORT/ or wss://HOST:PORT/", "ws", "wss"); err != nil {
		return o, err
	}
	if o.Token != "" && o.TokenFunc != nil {
		return o, errors.New("both Token and TokenFunc are set; set one of them")
	}
	if token := o.Token; o.TokenFunc == nil {
		o.TokenFunc = func(context.Context) (string, error) { return token, nil }
	}
	if o.OnState == nil {
		o.OnState = func(State) {}
	}
	o.ReadLimit = cmp.Or(o.ReadLimit, defaultReadLimit)
	o.PingAfter = cmp.Or(o.PingAfter, defaultPingAfter)
	o.PingTimeout = cmp.Or(o.PingTimeout, defaultPingTimeout)
	o.HandshakeTimeout = cmp.Or(o.HandshakeTimeout, defaultHandshakeTimeout)
	o.MinBackoff = cmp.Or(o.MinBackoff, defaultMinBackoff)
	o.MaxBackoff = cmp.Or(o.MaxBackoff, max(defaultMaxBackoff, o.MinBackoff))
	if o.HTTP == nil {
		o.HTTP = handshakeHTTP()
	}
	o.HTTP = withoutRedirects(o.HTTP)
	return o, nil
}

// handshakeHTTP returns an HTTP client without idle connections, because each of its connections
// becomes a WebSocket.
func handshakeHTTP() *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: dialTimeout,
		DisableKeepAlives:   false, // "Connection: close" would contradict the upgrade
		MaxIdleConnsPerHost: -1,
	}}
}

// compressionMode returns what the library calls it.
func compressionMode(on bool) websocket.CompressionMode {
	if on {
		return websocket.CompressionContextTakeover
	}
	return websocket.CompressionDisabled
}
