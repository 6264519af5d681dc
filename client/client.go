package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// DefaultAPI is where a server that was started without options serves its API.
	DefaultAPI = "http://127.0.0.1:8001"
	// DefaultWS is where it serves its WebSockets.
	DefaultWS = "ws://127.0.0.1:8002/"

	defaultTimeout     = 15 * time.Second
	defaultMaxResponse = 32 << 20 // some 200,000 tokens
	defaultConnections = 128
	dialTimeout        = 5 * time.Second
	idleTimeout        = 90 * time.Second
	maxErrorBody       = 64 << 10
)

// Options are the address of the server and how to talk to it. The zero value is for a server on
// this machine that was started without options.
type Options struct {
	// API is the base URL of the server's HTTP API; "" means [DefaultAPI]. It may have a path, if a
	// proxy puts the API under one, and a user and a password for that proxy, which are sent if Key
	// is empty. Errors do not repeat them.
	API string

	// Key is the API key, which a server requires once it has any; see docs/http-api.md. It is sent
	// with each request, and errors do not contain it.
	Key string

	// HTTP makes the requests. nil means a default client: 15 seconds for a request, at most 128
	// connections at once (further requests wait for one), all kept open between requests.
	// Redirects are never followed, even if CheckRedirect allows them: the key would be sent to the
	// target host, and a POST would become a GET.
	HTTP *http.Client

	// MaxResponse is the size in bytes at which an answer is refused; 0 means
	// 32 MiB, enough for about 200,000 tokens.
	MaxResponse int64
}

// A Client uses the HTTP API of a server. It is safe for use by many goroutines,
// which share its connections. It repeats no request that it could not repeat
// without harm: a publish whose answer was lost may have been carried out, and
// without a key there is no way to tell.
type Client struct {
	base        string // without the slash at its end
	http        *http.Client
	authorize   func(*http.Request) // a function, so that a client that is printed does not show the key
	maxResponse int64
}

// New returns a client. It fails if the URL in the options is not one of HTTP. It
// does not connect.
func New(o Options) (*Client, error) {
	if o.API == "" {
		o.API = DefaultAPI
	}
	const form = "http://HOST:PORT or https://HOST:PORT"
	u, err := parseURL("API", o.API, form, "http", "https")
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("API URL %q: give it as %s", shownURL(u), form)
	}
	for i := range len(o.Key) {
		if o.Key[i] <= ' ' || o.Key[i] >= 0x7f {
			return nil, errors.New("the API key has a character that no key has: a blank or a line's end, perhaps, of the file that it was read from")
		}
	}
	if o.MaxResponse == 0 {
		o.MaxResponse = defaultMaxResponse
	}
	if o.HTTP == nil {
		o.HTTP = defaultHTTP()
	}
	c := &Client{http: withoutRedirects(o.HTTP), authorize: func(*http.Request) {}, maxResponse: o.MaxResponse}
	if user := u.User; user != nil {
		password, _ := user.Password()
		c.authorize = func(r *http.Request) { r.SetBasicAuth(user.Username(), password) }
	}
	if key := o.Key; key != "" {
		c.authorize = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+key) }
	}
	u.User = nil
	c.base = strings.TrimSuffix(u.String(), "/")
	return c, nil
}

// Close closes the connections that are kept open for later requests. The client
// can still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func defaultHTTP() *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &http.Client{
		Timeout: defaultTimeout,
		Transport: &http.Transport{
			Proxy:       http.ProxyFromEnvironment,
			DialContext: dialer.DialContext,
			// As many kept as allowed: with net/http's default of two, a backend
			// that publishes from many goroutines would open and close one
			// connection for nearly every request.
			MaxConnsPerHost:     defaultConnections,
			MaxIdleConns:        defaultConnections,
			MaxIdleConnsPerHost: defaultConnections,
			IdleConnTimeout:     idleTimeout,
			TLSHandshakeTimeout: dialTimeout,
			ForceAttemptHTTP2:   true,
		},
	}
}

// call makes a request and decodes the answer's JSON into answer, unless that is
// nil. op says what is being done, for errors.
func (c *Client) call(ctx context.Context, op, method, path string, body []byte, answer any) error {
	return c.callWithKey(ctx, op, method, path, "", body, answer)
}

// callWithKey is call for a request that is to be idempotent, if key is not "".
func (c *Client) callWithKey(ctx context.Context, op, method, path, key string, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", op, withoutURL(err))
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	c.authorize(req)
	if key != "" {
		// With it net/http, too, repeats a request whose connection was closed
		// before anything of an answer came.
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", op, withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return errorFrom(op, resp)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, c.maxResponse+1))
	if err != nil {
		return fmt.Errorf("%s: read the answer: %w", op, withoutURL(err))
	}
	if int64(len(text)) > c.maxResponse {
		return fmt.Errorf("%s: the answer is larger than %d bytes; raise MaxResponse to take it", op, c.maxResponse)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s: the answer is not what a Boreas server gives: %w", op, err)
	}
	return nil
}

// errorFrom creates an [Error] from an answer that is not a success.
func errorFrom(op string, resp *http.Response) error {
	e := &Error{Op: op, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header), Message: redirection(resp)}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return errors.Join(e, fmt.Errorf("read the reason: %w", withoutURL(err)))
	}
	var reasons struct {
		Errors []string `json:"errors"`
		Error  *refused `json:"error"`
	}
	if json.Unmarshal(text, &reasons) != nil {
		return e
	}
	e.Errors = reasons.Errors
	if r := reasons.Error; r != nil {
		told := r.as(op)
		told.Status, told.RetryAfter = e.Status, max(e.RetryAfter, told.RetryAfter)
		return told
	}
	return e
}

// retryAfter reads a Retry-After in seconds, the only form that Boreas sends.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
