package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// pathV2 is the path of protocol 2 for a URL without a path.
	pathV2 = "/v2"

	defaultFirstBackoff = time.Second // clause 8.4
	writeTimeout        = 15 * time.Second
	defaultHeartbeat    = 25 * time.Second // the client's own interval for a server without heartbeats
)

// ConnectOptions configure a [Conn]. The zero value connects to a server on this machine that was
// started without options, and sends no token.
type ConnectOptions struct {
	// URL is the WebSocket URL of the server, ws:// or wss://; "" means [DefaultWS]. If it has no
	// path, the path is /v2.
	URL string

	// Token is sent to the server on each connection. When the token expires or is revoked, the
	// Conn ends. Use TokenFunc for tokens that expire.
	Token string

	// TokenFunc, if not nil, returns the token. Set either TokenFunc or Token. The Conn calls it
	// before each connection, a second time if the server refuses the token, and when the server
	// announces that the token expires soon; the new token replaces the old one on the same
	// connection.
	//
	// If TokenFunc returns an error, the attempt has failed and is repeated later. TokenFunc may be
	// called again before its last token was used. It must not return a token that the server
	// refused: that ends the Conn.
	TokenFunc func(context.Context) (string, error)

	// OnState, if not nil, is called with each change of the connection, one call at a time. It
	// must not block, because the Conn reads nothing meanwhile.
	OnState func(State)

	// Compression offers compression to the server (permessage-deflate). A server may decline. The
	// connection then needs 32 KiB more memory.
	Compression bool

	// ReadLimit is the largest accepted frame in bytes, after decompression; 0 means 2 MiB. A larger
	// frame ends the connection.
	ReadLimit int64

	// HandshakeTimeout is the timeout for connecting, including the server's reply to the token; 0
	// means 10 s.
	HandshakeTimeout time.Duration

	// MinBackoff and MaxBackoff bound the random wait before a new attempt, unless the server sends
	// the wait. The wait is at most MinBackoff after the first failure, at most twice that after
	// the second, and so on, and never more than MaxBackoff. While no server answers, it is at most
	// 4 s for the first minute. A connection that lasted for a second after its joins were answered
	// resets the backoff. 0 means 1 s and 30 s.
	MinBackoff, MaxBackoff time.Duration

	// HTTP makes the handshake; nil means a default client. Set its Transport to use your own TLS
	// configuration or proxy. Do not set its Timeout. Redirects are not followed, even if
	// CheckRedirect allows them.
	HTTP *http.Client
}

// withDefaults returns the options with defaults for omitted ones, or an error if they are
// invalid.
func (o ConnectOptions) withDefaults() (ConnectOptions, error) {
	u, err := parseURL("WebSocket", cmp.Or(o.URL, DefaultWS), "ws://HOST:PORT or wss://HOST:PORT", "ws", "wss")
	if err != nil {
		return o, err
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = pathV2
	}
	o.URL = u.String()
	if o.Token != "" && o.TokenFunc != nil {
		return o, errors.New("both Token and TokenFunc are set; set one of them")
	}
	if o.OnState == nil {
		o.OnState = func(State) {}
	}
	o.ReadLimit = cmp.Or(o.ReadLimit, defaultReadLimit)
	o.HandshakeTimeout = cmp.Or(o.HandshakeTimeout, defaultHandshakeTimeout)
	o.MinBackoff = cmp.Or(o.MinBackoff, defaultFirstBackoff)
	o.MaxBackoff = cmp.Or(o.MaxBackoff, max(defaultMaxBackoff, o.MinBackoff))
	if o.HTTP == nil {
		o.HTTP = handshakeHTTP()
	}
	o.HTTP = withoutRedirects(o.HTTP)
	return o, nil
}

// token returns the token to send, or "" for no token.
func (o *ConnectOptions) token(ctx context.Context) (string, error) {
	if o.TokenFunc == nil {
		return o.Token, nil
	}
	token, err := o.TokenFunc(ctx)
	if err != nil {
		return "", fmt.Errorf("get a token: %w", err)
	}
	return token, nil
}
