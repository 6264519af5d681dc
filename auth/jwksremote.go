package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/redial"
)

const (
	// keysInterval is how often keys are fetched. A random tenth is added or subtracted, so that many
	// servers do not ask at the same time.
	keysInterval = time.Hour

	// keysPause is the minimum time between two fetches. Otherwise a client with made-up kids could
	// make the server flood the issuer.
	keysPause = 10 * time.Second

	// keysTimeout is how long one fetch may take, and so how long a token may wait.
	keysTimeout = 5 * time.Second

	// After a failure the server waits for minRetry, and twice as long after each further failure, up
	// to maxRetry.
	minRetry = time.Second
	maxRetry = 5 * time.Minute

	// maxWaiting is how many checks may wait for keys at the same time.
	maxWaiting = 256

	maxRedirects = 3
)

// remoteKeys are the keys at a URL. One goroutine fetches them. The last keys stay in use while the
// issuer is unreachable.
type remoteKeys struct {
	// Immutable after start.
	address string
	name    string // the URL without its secret parts
	client  *http.Client
	log     *slog.Logger
	wanted  chan struct{} // has an element if the goroutine is to fetch now
	cancel  context.CancelFunc
	ended   chan struct{} // closed when the goroutine ends

	mu      sync.Mutex    // guards the following fields
	keys    []*jwtKey     // immutable
	err     error         // of the last fetch
	tried   time.Time     // when the last fetch ended
	pending chan struct{} // closed when the fetch ends that is running or wanted; nil if there is none
	over    bool          // there will be no more fetches
}

// newRemoteKeys returns keys that start begins to fetch.
func newRemoteKeys(address string, client *http.Client, log *slog.Logger) (*remoteKeys, error) {
	name, err := checkURL(address)
	if err != nil {
		return nil, fmt.Errorf("keys that verify JWTs: %s: %w", name, err)
	}
	return &remoteKeys{
		address: address, name: name, log: log,
		client: boundClient(client, keysTimeout, maxRedirects),
		wanted: make(chan struct{}, 1),
		ended:  make(chan struct{}),
	}, nil
}

// checkURL checks the URL of a service that decides which tokens are valid. It returns the URL without
// its secret parts. It refuses plain HTTP to other hosts, because anybody on the network path could
// answer.
func checkURL(address string) (name string, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		// The parser's error contains the address, which may contain a password.
		return "the URL", errors.New("it is not a valid URL")
	}
	name = u.Scheme + "://" + u.Host + u.EscapedPath()
	switch {
	case u.Scheme == "https":
	case u.Scheme != "http":
		return name, errors.New("use a URL with https")
	case u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback():
		return name, errors.New("without TLS anyone on the network path could answer: use https, or a host on this machine (localhost, 127.0.0.1)")
	}
	return name, nil
}

// boundClient returns a client with a time limit that only follows redirects to the same scheme
// and host, because the operator has not declared other hosts as trusted. It retries once if its
// kept-alive connection was just being closed.
func boundClient(c *http.Client, timeout time.Duration, redirects int) *http.Client {
	if c == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxResponseHeaderBytes = 64 << 10
		t.MaxIdleConnsPerHost = defaultBackendConcurrency // by default they are two
		c = &http.Client{Transport: t}
	}
	bound := *c
	if bound.Transport == nil {
		bound.Transport = http.DefaultTransport
	}
	bound.Transport = redial.New(bound.Transport)
	bound.Timeout = timeout
	bound.Jar = nil
	bound.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		switch first := via[0].URL; {
		case redirects == 0:
			return errors.New("it redirects, and the server does not follow redirects")
		case len(via) > redirects:
			return fmt.Errorf("it redirects more than %d times", redirects)
		case r.URL.Scheme != first.Scheme || r.URL.Host != first.Host:
			return errors.New("it redirects to another host, and the server does not follow that")
		}
		return nil
	}
	return &bound
}

func (r *remoteKeys) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.pending = make(chan struct{}) // for checks before the first fetch, which wait for it
	go r.run(ctx)
}

func (r *remoteKeys) close() {
	r.cancel()
	<-r.ended
	r.client.CloseIdleConnections()
}

// run fetches keys until ctx ends.
func (r *remoteKeys) run(ctx context.Context) {
	defer close(r.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			r.mu.Lock()
			r.over = true
			r.mu.Unlock()
			r.settle(nil, errors.New("the server is shutting down"))
			return
		case <-timer.C:
		case <-r.wanted:
		}
		r.begin()
		keys, err := r.fetch(ctx)
		r.settle(keys, err)
		wait := keysInterval - keysInterval/10 + rand.N(keysInterval/5)
		if err != nil {
			wait = min(minRetry<<min(failures, 20), maxRetry)
			failures++
			r.log.Warn("the keys that verify JWTs cannot be fetched; the server continues to use the keys that it knows", "url", r.name, "err", err, "again_in", wait)
		} else {
			failures = 0
		}
		timer.Reset(wait)
	}
}

// begin records that a fetch is running.
func (r *remoteKeys) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending == nil {
		r.pending = make(chan struct{})
	}
}

// settle records the result of a fetch, and wakes the checks that wait for it.
func (r *remoteKeys) settle(keys []*jwtKey, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.keys = keys
	}
	r.err, r.tried = err, time.Now()
	if r.pending != nil {
		close(r.pending)
		r.pending = nil
	}
	select {
	case <-r.wanted: // by a check that has been woken
	default:
	}
}

// get returns the last keys, and the error of the last fetch.
func (r *remoteKeys) get() ([]*jwtKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys, r.err
}

// ask has the keys fetched, and returns a channel that is closed when they are. It returns nil if they
// were fetched a short time ago.
func (r *remoteKeys) ask() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending != nil {
		return r.pending
	}
	if r.over || time.Since(r.tried) < keysPause {
		return nil
	}
	r.pending = make(chan struct{})
	select {
	case r.wanted <- struct{}{}:
	default:
	}
	return r.pending
}

func (r *remoteKeys) ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.keys != nil:
		return nil
	case r.err == nil:
		return fmt.Errorf("the server is still fetching the keys that verify JWTs from %s", r.name)
	default:
		return fmt.Errorf("the server cannot fetch the keys that verify JWTs from %s: %w", r.name, r.err)
	}
}

// fetch fetches the keys once.
func (r *remoteKeys) fetch(ctx context.Context) ([]*jwtKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.address, http.NoBody)
	if err != nil {
		return nil, errors.New("the URL is not valid")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Close = true // the next request is in an hour
	response, err := r.client.Do(request)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %s", response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxKeyFile+1))
	switch {
	case err != nil:
		return nil, withoutURL(err)
	case len(text) > maxKeyFile:
		return nil, fmt.Errorf("it answered more than %d bytes", maxKeyFile)
	}
	keys, refused, err := parseJWKS(text)
	for _, why := range refused {
		r.log.Warn("a key that verifies JWTs is not used", "url", r.name, "err", why)
	}
	return keys, err
}

// withoutURL returns the error of a request without its URL, which may contain secrets.
func withoutURL(err error) error {
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() {
		return errors.New("it did not answer in time")
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
