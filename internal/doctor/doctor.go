// Package doctor checks a running server from the outside, as backends and subscribers see it. It
// reports the problems that they would have.
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

	"github.com/boreas-pubsub/boreas/v2/client"
)

// A Level is the result of a check.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Skipped Level = "skipped" // it could not be checked; the text says why
	Warning Level = "warning"
	Failed  Level = "FAILED"
)

// A Finding is the result of one check.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Text  string `json:"text"`         // what was found
	Do    string `json:"do,omitempty"` // how to solve the problem; "" if there is none
}

// Options say which server to check, and how. The zero value checks a server on this machine that
// was started without options.
type Options struct {
	API, WS string   // URLs; default [client.DefaultAPI] and [client.DefaultWS]
	Key     string   // API key; default none
	Token   string   // the token to check; default none
	Origin  string   // the origin of the pages that will connect; default none
	Nodes   []string // URLs of the APIs of other nodes of the cluster; default none

	Roots   *x509.CertPool   // authorities for certificates; default those of the system
	Now     func() time.Time // default time.Now
	Timeout time.Duration    // how long a reply may take; default 10 s
	Wait    time.Duration    // how long an event may take; default 2 s

	dial func(ctx context.Context, network, address string) (net.Conn, error) // tests resolve host names with it
}

// A visit is one run of all checks. It is owned by one goroutine.
type visit struct {
	o       Options
	api, ws *url.URL
	http    *http.Client
	client  *client.Client
	channel string // the channel for this visit
	tell    func(Finding)

	distrusted map[string]bool // hosts with an invalid certificate
	health     *answer         // to /healthz; nil if there is none
	allowed    bool            // the API has accepted the key, or requires none
	connected  bool            // a WebSocket works
}

// check is one of the checks. It reports one or more findings.
type check struct {
	name string
	run  func(*visit, context.Context, reporter)
}

// reporter reports a finding of a check.
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
	{"nodes", (*visit).nodes},
	{"across", (*visit).across},
	{"token", (*visit).token},
}

// Run runs all checks and calls tell with each finding as it is made. An error means that the
// options are invalid and nothing was checked, or that ctx has ended.
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

// Channel is the channel that the doctor requests to see whether the API requires a key. It is also
// the prefix of the channels on which it publishes. A refusal on this channel does not concern a
// client.
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

// wsHTTP returns the HTTP URL of a path on the port of the WebSocket.
func (v *visit) wsHTTP(path string) string {
	u := *v.ws
	u.Scheme = "http" + strings.TrimPrefix(u.Scheme, "ws")
	u.Path = strings.TrimSuffix(u.Path, "/v2") + path
	return u.String()
}
