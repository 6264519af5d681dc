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
	// DefaultAPI is the URL of the API of a server that was started without options.
	DefaultAPI = "http://127.0.0.1:8001"
	// DefaultWS is the WebSocket URL of a server that was started without options.
	DefaultWS = "ws://127.0.0.1:8002/"

	defaultTimeout     = 15 * time.Second
	defaultMaxResponse = 32 << 20 // about 200,000 tokens
	defaultConnections = 128
	dialTimeout        = 5 * time.Second
	idleTimeout        = 90 * time.Second
	maxErrorBody       = 64 << 10
)

// Options configure a [Client]: the server's address and credentials. The zero value is for a
// server on this machine that was started without options.
type Options struct {
	// API is the base URL of the server's HTTP API; "" means [DefaultAPI]. If a proxy serves the
	// API under a path, include the path. It may contain a user and a password for that proxy; they
	// are sent only if Key is empty. Errors never contain them.
	API string

	// Key is the API key. A server requires one as soon as an API key exists; see docs/http-api.md.
	// The key is sent with each request, and errors never contain it.
	Key string

	// HTTP makes the requests. nil means a default client, with a timeout of 15 seconds per request
	// and at most 128 connections at once (further requests wait), all kept open between requests.
	// Redirects are never followed, even if CheckRedirect allows them: the key would be sent to the
	// target host, and a POST would become a GET.
	HTTP *http.Client

	// MaxResponse is the largest accepted response in bytes; 0 means 32 MiB, enough for about
	// 200,000 tokens.
	MaxResponse int64
}

// A Client uses a server's HTTP API. It is safe for concurrent use; all goroutines share its
// connections. It repeats only requests that are safe to repeat. A publish without a key is not: if
// its response is lost, the client cannot find out whether the message was published.
type Client struct {
	base        string // without the trailing slash
	http        *http.Client
	authorize   func(*http.Request) // a function, so that printing a Client does not print the key
	maxResponse int64
}

// New returns a client. It fails if the options are invalid. It does not connect.
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
			return nil, errors.New("the API key has an invalid character, perhaps a blank or a line break of the file from which it was read")
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

// Close closes the idle connections. The client can still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func defaultHTTP() *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &http.Client{
		Timeout: defaultTimeout,
		Transport: &http.Transport{
			Proxy:       http.ProxyFromEnvironment,
			DialContext: dialer.DialContext,
			// Keep all of them: with net/http's default of two idle connections, a backend that
			// publishes from many goroutines would open and close a connection for nearly every
			// request.
			MaxConnsPerHost:     defaultConnections,
			MaxIdleConns:        defaultConnections,
			MaxIdleConnsPerHost: defaultConnections,
			IdleConnTimeout:     idleTimeout,
			TLSHandshakeTimeout: dialTimeout,
			ForceAttemptHTTP2:   true,
		},
	}
}

// call makes a request and decodes the JSON of the response into answer, unless answer is nil. op
// names the operation in errors.
func (c *Client) call(ctx context.Context, op, method, path string, body []byte, answer any) error {
	return c.callWithKey(ctx, op, method, path, "", body, answer)
}

// callWithKey is like call. If key is not "", the request is idempotent.
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
		// With this header, net/http also repeats a request if the connection was closed before any
		// part of the response arrived.
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
		return fmt.Errorf("%s: the answer is larger than %d bytes; raise MaxResponse to accept it", op, c.maxResponse)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s: the answer is not that of a Boreas server: %w", op, err)
	}
	return nil
}

// errorFrom returns the [Error] of an unsuccessful response.
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

// retryAfter parses a Retry-After header in seconds, the only form that Boreas sends.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
