package client

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

const (
	defaultHandshakeTimeout = 10 * time.Second
	defaultPingAfter        = 30 * time.Second
	defaultPingTimeout      = 15 * time.Second
	defaultReadLimit        = 2 << 20 // twice the largest message a server takes by default
	defaultMinBackoff       = 500 * time.Millisecond
	defaultMaxBackoff       = 30 * time.Second
)

// SubscriberOptions say where the server is and what to listen to. The zero value
// connects to a server on this machine and stays anonymous, which is of use only
// with a server that asks for no token.
type SubscriberOptions struct {
	// URL is where the server serves WebSockets, ws:// or wss://; "" means
	// [DefaultWS].
	URL string

	// Token is shown to the server on each connection. The classic wire does not
	// tell if it was wrong: the subscriber then gets nothing.
	Token string

	// TokenFunc, if not nil, is asked for the token before each connection,
	// instead of Token. An error of it is a failed attempt to connect.
	TokenFunc func(context.Context) (string, error)

	// Channels are joined on each connection. [Subscriber.Join] and
	// [Subscriber.Leave] change them.
	Channels []string

	// OnState, if not nil, is told each change of the connection. It is called
	// from the loop over [Subscriber.Messages], between two messages, and must
	// not block.
	OnState func(State)

	// ReadLimit is the size in bytes of the largest frame that is taken; 0 means
	// 2 MiB. A larger one ends the connection.
	ReadLimit int64

	// PingAfter is how long nothing may be heard from the server before it is
	// asked for a sign of life; 0 means 30 s. PingTimeout is how long it may take
	// to answer, and also how long one write may take; 0 means 15 s. Together
	// they bound how long a dead connection is mistaken for a quiet one.
	PingAfter, PingTimeout time.Duration

	// HandshakeTimeout bounds connecting, TLS and HTTP; 0 means 10 s.
	HandshakeTimeout time.Duration

	// MinBackoff and MaxBackoff bound the wait before a new attempt: a random time up to MinBackoff
	// after the first failure, up to twice that after the second, never over MaxBackoff. While no
	// server answers, the wait is at most 4 s for the first minute. A connection that lasted for a
	// second after its joins resets it. 0 means 500 ms and 30 s.
	MinBackoff, MaxBackoff time.Duration

	// HTTP makes the handshake; nil means a default client. Set its transport to use your own TLS
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

// handshakeHTTP returns a client whose connections all become WebSockets, so it
// keeps none for later requests.
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
