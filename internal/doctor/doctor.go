// Package doctor looks at a running server from the outside, as its backends and its
// subscribers do, and says what keeps them from it.
package doctor

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/client"
)

// A Level is how a check came out.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Skipped Level = "skipped" // it could not be checked, and the text says why
	Warning Level = "warning"
	Failed  Level = "FAILED"
)

// A Finding is what came of one check.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Text  string `json:"text"`         // what is so
	Do    string `json:"do,omitempty"` // what to do about it; "" if there is nothing to do
}

// Options say what to look at. The zero value looks at a server on this machine that
// was started without options.
type Options struct {
	API, WS string // URLs; [client.DefaultAPI] and [client.DefaultWS]
	Key     string // for the API; none
	Token   string // to look at; none
	Origin  string // of the pages that are to connect; none

	Roots   *x509.CertPool   // authorities that sign certificates; those of the system
	Now     func() time.Time // time.Now
	Timeout time.Duration    // how long an answer may take; 10 s
	Wait    time.Duration    // how long an event may take; 2 s

	dial func(ctx context.Context, network, address string) (net.Conn, error) // tests reach names by it
}

// A visit is one round of checks. It belongs to one goroutine.
type visit struct {
	o       Options
	api, ws *url.URL
	http    *http.Client
	client  *client.Client
	channel string // of our own
	tell    func(Finding)

	distrusted map[string]bool // hosts whose certificates are wrong
	health     *answer         // of /healthz; nil if there is none
	allowed    bool            // the API has taken the key, or asks for none
	connected  bool            // a WebSocket works
}

// check is one of the checks, which tells one finding or more.
type check struct {
	name string
	run  func(*visit, context.Context, reporter)
}

// reporter tells a finding of a check.
type reporter func(level Level, text, do string)

var checks = []check{
	{"tls", (*visit).tls},
	{"api", (*visit).reach},
	{"ready", (*visit).ready},
	{"key", (*visit).key},
	{"clock", (*visit).clock},
	{"websocket", (*visit).websocket},
	{"origin", (*visit).origin},
	{"events", (*visit).events},
	{"descriptors", (*visit).descriptors},
	{"token", (*visit).token},
}

// Run makes all checks and tells each finding as it is made. An error is a mistake in
// the options, and nothing was checked.
func Run(ctx context.Context, o Options, tell func(Finding)) error {
	v, err := newVisit(o, tell)
	if err != nil {
		return err
	}
	defer v.http.CloseIdleConnections()
	for _, c := range checks {
		c.run(v, ctx, func(level Level, text, do string) { v.tell(Finding{c.name, level, text, do}) })
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// Channel is the channel that the doctor requests to see whether the API requires a key. It is also the prefix of the channels
// on which it publishes. A refusal on this channel does not concern a client.
const Channel = "boreas.doctor"

func newVisit(o Options, tell func(Finding)) (*visit, error) {
	o.API, o.WS = strings.TrimSuffix(cmp.Or(o.API, client.DefaultAPI), "/"), cmp.Or(o.WS, client.DefaultWS)
	o.Timeout, o.Wait = cmp.Or(o.Timeout, 10*time.Second), cmp.Or(o.Wait, 2*time.Second)
	if o.dial == nil {
		o.dial = new(net.Dialer).DialContext
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	v := &visit{o: o, tell: tell, distrusted: make(map[string]bool), channel: Channel + "." + rand.Text()}
	v.http = &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         o.dial,
			TLSClientConfig:     &tls.Config{RootCAs: o.Roots, Time: o.Now},
			TLSHandshakeTimeout: o.Timeout,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var err error
	if v.client, err = client.New(client.Options{API: o.API, Key: o.Key, HTTP: v.http}); err != nil {
		return nil, err
	}
	if v.api, err = url.Parse(o.API); err != nil {
		return nil, fmt.Errorf("API URL: %w", reason(err))
	}
	if v.ws, err = url.Parse(o.WS); err != nil || v.ws.Host == "" || (v.ws.Scheme != "ws" && v.ws.Scheme != "wss") {
		return nil, fmt.Errorf("WebSocket URL: give it as ws://HOST:PORT or wss://HOST:PORT")
	}
	if v.ws.Path = strings.TrimSuffix(v.ws.Path, "/"); v.ws.Path == "" {
		v.ws.Path = "/v2"
	}
	return v, nil
}

// wsHTTP returns the URL of a path beside the WebSocket, over HTTP.
func (v *visit) wsHTTP(path string) string {
	u := *v.ws
	u.Scheme = "http" + strings.TrimPrefix(u.Scheme, "ws")
	u.Path = strings.TrimSuffix(u.Path, "/v2") + path
	return u.String()
}
