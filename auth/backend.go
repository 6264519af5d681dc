package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/limit"
)

const (
	defaultBackendTimeout     = 3 * time.Second
	defaultBackendConcurrency = 64
	defaultBackendCache       = 20000

	// queueLength is how many questions may wait for their turn, per question that may be asked at the
	// same time.
	queueLength = 16

	// maxCopied is the maximum size of the headers that are passed on for one client, in bytes.
	maxCopied = 16 << 10

	// maxCopiedNames is the maximum number of BackendOptions.Headers.
	maxCopiedNames = 20

	backendDomain = "boreas backend\x00"
)

// BackendOptions are the settings of a [Backend].
type BackendOptions struct {
	// URL receives a POST request for each question.
	URL string

	// Headers are the names of headers of the client's request that are passed on to the backend.
	Headers []string

	// Timeout limits a request, and also the time that it waits for its turn. 0 means 3 seconds.
	Timeout time.Duration

	// Concurrency is how many requests to the backend may run at the same time. 0 means 64.
	Concurrency int

	// Exempt lists addresses that many clients may share. The limit per address does not apply to
	// them.
	Exempt []netip.Prefix

	// CacheSize is how many answers are cached. 0 means 20,000.
	CacheSize int

	// Client sends the requests. Nil means a client of its own. Redirects are never followed.
	Client *http.Client

	// Log receives problems with the backend. Nil discards them.
	Log *slog.Logger
}

// A Backend asks the operator's backend about tokens, and caches the answers. Its methods may be
// called by many goroutines at once. Create one with [NewBackend].
type Backend struct {
	// Immutable.
	options BackendOptions
	name    string // the URL without its secret parts
	client  *http.Client
	serial  func() uint64   // returns the serial number of the authority's newest change; [Open] sets it
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc

	// Safe for concurrent use.
	turns   *turns
	circuit circuit
	rules   *rulesCache
	granted cache[answer]
	refused cache[answer] // separate, so that guessed tokens do not displace the valid ones
	invalid limit.Meter   // requests without a valid answer

	mu    sync.Mutex
	asked map[backendKey]*question // requests that are running or wait for their turn; guarded by mu
}

// A backendKey is the hash of everything that an answer depends on.
type backendKey [sha256.Size]byte

// A question is a request to the backend. Its answer and err may be read after done is closed.
type question struct {
	done   chan struct{}
	answer answer
	err    error // a fault, if there is no answer
}

// NewBackend returns a Backend. The error says which option is invalid, and why.
func NewBackend(o BackendOptions) (*Backend, error) {
	if o.Timeout == 0 {
		o.Timeout = defaultBackendTimeout
	}
	if o.Concurrency == 0 {
		o.Concurrency = defaultBackendConcurrency
	}
	if o.CacheSize == 0 {
		o.CacheSize = defaultBackendCache
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout < 0 || o.Concurrency < 0 || o.CacheSize < 0 {
		return nil, errors.New("the backend's time limit, concurrency and cache must not be negative")
	}
	name, err := checkURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("the backend that checks tokens: %s: %w", name, err)
	}
	if o.Headers, err = copied(o.Headers); err != nil {
		return nil, fmt.Errorf("the headers for the backend that checks tokens: %w", err)
	}
	b := &Backend{
		options: o,
		name:    name,
		client:  boundClient(o.Client, o.Timeout, 0),
		turns:   newTurns(o.Concurrency, o.Concurrency*queueLength, o.Exempt),
		rules:   newRulesCache(),
		granted: cache[answer]{max: o.CacheSize},
		refused: cache[answer]{max: o.CacheSize},
		asked:   make(map[backendKey]*question),
		serial:  func() uint64 { return 0 },
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b, nil
}

// notCopied are headers that concern one connection or one body (RFC 9110, 7.6.1).
var notCopied = []string{
	"Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Host", "Expect", "Accept-Encoding",
}

// copied returns the names of headers in their canonical form, sorted and without duplicates.
func copied(names []string) ([]string, error) {
	var list []string
	for _, given := range names {
		name := textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(given))
		switch {
		case name == "" || strings.IndexFunc(name, func(r rune) bool {
			return r != '-' && r != '_' && !(r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)))
		}) >= 0:
			return nil, fmt.Errorf("%.40q is not the name of a header", given)
		case slices.Contains(notCopied, name) || strings.HasPrefix(name, "Proxy-") || strings.HasPrefix(name, "Content-"):
			return nil, fmt.Errorf("%s concerns the client's own connection or body, and is not passed on", name)
		}
		list = append(list, name)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) > maxCopiedNames {
		return nil, fmt.Errorf("there are %d, more than %d", len(list), maxCopiedNames)
	}
	return list, nil
}

// Close makes all running and later requests fail.
func (b *Backend) Close() {
	b.cancel()
	b.client.CloseIdleConnections()
}

// Ready returns nil, or why the backend cannot be asked now.
func (b *Backend) Ready() error {
	if err := b.circuit.ready(time.Now()); err != nil {
		return fmt.Errorf("the backend that checks tokens, %s: %w", b.name, err)
	}
	return nil
}

// Check returns the grant that the backend gives to the token of the credentials. Errors:
// [fault.InvalidToken] if the backend refuses the token, and [fault.AuthUnavailable] if there is no valid
// answer.
func (b *Backend) Check(c access.Credentials) (*access.Grant, error) {
	header, err := b.passOn(c)
	if err != nil {
		return nil, err
	}
	key := b.keyOf(c, header)
	if a, ok := b.remembered(key, time.Now()); ok {
		return a.grant, a.refusal
	}
	leave, err := costly(c)
	if err != nil {
		return nil, err
	}
	defer leave()
	b.mu.Lock()
	q, under := b.asked[key]
	if !under {
		q = &question{done: make(chan struct{})}
		b.asked[key] = q
	}
	b.mu.Unlock()
	if under {
		// It takes at most the timeout twice: for its turn and for the request.
		slowly(c, func() { <-q.done })
	} else {
		slowly(c, func() { b.askFor(q, key, c, header) })
	}
	if q.err != nil {
		return nil, q.err
	}
	return q.answer.grant, q.answer.refusal
}

// passOn returns the headers to pass on. It refuses a token or header that cannot be sent, because
// such a failure must not count as the backend's. The error is a fault.
func (b *Backend) passOn(c access.Credentials) (http.Header, error) {
	switch {
	case c.Token == "":
		return nil, fault.InvalidToken.With("The token is empty.")
	case len(c.Token) > MaxJWT:
		return nil, fault.InvalidToken.With(fmt.Sprintf("The token has %d bytes, more than %d.", len(c.Token), MaxJWT))
	case !utf8.ValidString(c.Token) || strings.IndexFunc(c.Token, unicode.IsControl) >= 0:
		return nil, fault.InvalidToken.With("The token has control characters, or is not UTF-8.")
	}
	header, size := make(http.Header), 0
	for _, name := range b.options.Headers {
		for _, value := range c.Header[name] {
			size += len(name) + len(value)
			if size > maxCopied {
				return nil, fault.InvalidToken.With(fmt.Sprintf("The headers for the backend have more than %d bytes.", maxCopied))
			}
			if strings.IndexFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) >= 0 {
				return nil, fault.InvalidToken.With(fmt.Sprintf("The header %s has control characters.", name))
			}
			header[name] = append(header[name], value)
		}
	}
	return header, nil
}

// keyOf returns the hash of a question. It includes the address and the headers: a backend that
// accepts a token from one address may refuse it from another.
func (b *Backend) keyOf(c access.Credentials, header http.Header) backendKey {
	parts := []string{backendDomain, c.Token, addressText(c.Address)}
	for _, name := range b.options.Headers {
		for _, value := range header[name] {
			parts = append(parts, name, value)
		}
	}
	return hashParts(parts...)
}

// addressText returns the address as the backend receives it, "" if it is not known.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// backendID returns the TokenID of a token that the backend knows. It does not depend on the headers,
// because a revocation only names the token.
func backendID(token string) string { return hashID(backendIDPrefix, backendDomain, token) }

// remembered returns the answer for the key, unless it has to be asked for again.
func (b *Backend) remembered(key backendKey, now time.Time) (answer, bool) {
	for _, answers := range []*cache[answer]{&b.granted, &b.refused} {
		if a, ok := answers.get(key[:]); ok && now.Before(a.until) {
			return a, true
		}
	}
	return answer{}, false
}
