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
	// pathV2 is where a server speaks protocol 2, if the URL has no path.
	pathV2 = "/v2"

	defaultFirstBackoff = time.Second // clause 8.4
	writeTimeout        = 15 * time.Second
	defaultHeartbeat    = 25 * time.Second // of our own, where the server has none
)

// ConnectOptions say where the server is and who connects. The zero value connects
// to a server on this machine that was started without options, and shows no token.
type ConnectOptions struct {
	// URL is where the server takes subscribers, ws:// or wss://; "" means
	// [DefaultWS]. Without a path, protocol 2 is at /v2.
	URL string

	// Token is shown to the server on each connection. With one that ends, or is
	// revoked, the Conn ends: use TokenFunc for those.
	Token string

	// TokenFunc, if not nil, is asked for the token before each connection, once
	// more when the server does not take it, and when the server says that the
	// token ends soon: the next one takes its place, and the connection goes on. Set
	// it or Token. An error of it is a failed attempt, which is made again. It may be
	// called when the one before has not been used, and must not give a token again
	// that the server refused: that ends the Conn.
	TokenFunc func(context.Context) (string, error)

	// OnState, if not nil, is told each change of the connection, one after the
	// other. It must not block: nothing is read meanwhile.
	OnState func(State)

	// ReadLimit is the size in bytes of the largest frame that is taken; 0 means
	// 2 MiB. A larger one ends the connection.
	ReadLimit int64

	// HandshakeTimeout bounds connecting, up to the server's answer to the token;
	// 0 means 10 s.
	HandshakeTimeout time.Duration

	// MinBackoff and MaxBackoff bound the wait before a new attempt, unless the server sends the
	// wait: a random time up to MinBackoff after the first failure, up to twice that after the
	// second, never over MaxBackoff. While no server answers, the wait is at most 4 s for the first
	// minute. A connection that lasted for a second after its joins were answered resets it. 0
	// means 1 s and 30 s.
	MinBackoff, MaxBackoff time.Duration

	// HTTP makes the handshake; nil means a default client. Set its transport to use your own TLS
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

// token returns the token to show, "" for none.
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
