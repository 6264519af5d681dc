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

	"github.com/boreas-pubsub/boreas/internal/redial"
)

const (
	// keysInterval is how often keys are fetched; a tenth more or less, so that many
	// servers do not ask at once.
	keysInterval = time.Hour

	// keysPause lies between two fetches at least, whatever tokens ask for: who makes
	// up kids must not make us flood the issuer.
	keysPause = 10 * time.Second

	// keysTimeout bounds a fetch, and so what a token waits.
	keysTimeout = 5 * time.Second

	// After a failure it is tried again after minRetry, then twice as long each time.
	minRetry = time.Second
	maxRetry = 5 * time.Minute

	// maxWaiting bounds the checks that wait for keys at once.
	maxWaiting = 256

	maxRedirects = 3
)

// remoteKeys are the keys at a URL. One goroutine fetches them; the keys that it got last
// go on working while the issuer is away.
type remoteKeys struct {
	address string
	name    string // the URL without what may be secret
	client  *http.Client
	log     *slog.Logger
	wanted  chan struct{} // tells the goroutine that somebody waits
	cancel  context.CancelFunc
	ended   chan struct{}

	mu    sync.Mutex
	keys  []*jwtKey     // guarded by mu, and so are those below
	err   error         // of the last fetch
	tried time.Time     // when the last fetch ended
	under chan struct{} // closed when the fetch ends that is under way or wanted; nil if none is
	over  bool          // there will be no more fetches
}

// newRemoteKeys returns keys that are not fetched before start.
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

// checkURL checks a URL that what is valid depends on, and returns it without what may be
// secret in it. Plain HTTP would let anybody on the way answer.
func checkURL(address string) (name string, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		// The parser's error would repeat the address, and so a password in it.
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
	r.under = make(chan struct{}) // who asks before the first fetch waits for it
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

// begin notes that a fetch is under way.
func (r *remoteKeys) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.under == nil {
		r.under = make(chan struct{})
	}
}

// settle notes what a fetch gave, and lets go on who waits.
func (r *remoteKeys) settle(keys []*jwtKey, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.keys = keys
	}
	r.err, r.tried = err, time.Now()
	if r.under != nil {
		close(r.under)
		r.under = nil
	}
	select {
	case <-r.wanted: // by somebody who has it now
	default:
	}
}

// get returns the keys as they are known, and the error of the last fetch.
func (r *remoteKeys) get() ([]*jwtKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys, r.err
}

// ask has the keys fetched, and returns what is closed when they are. It is nil if they
// were a short time ago.
func (r *remoteKeys) ask() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.under != nil {
		return r.under
	}
	if r.over || time.Since(r.tried) < keysPause {
		return nil
	}
	r.under = make(chan struct{})
	select {
	case r.wanted <- struct{}{}:
	default:
	}
	return r.under
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

// fetch asks for the keys once.
func (r *remoteKeys) fetch(ctx context.Context) ([]*jwtKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.address, http.NoBody)
	if err != nil {
		return nil, errors.New("the URL is not valid")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Close = true // the next time is in an hour
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

// withoutURL returns the error of a request without its URL, which may have secrets.
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
