// Package redial sends a request once more that was sent on a connection which the other
// side was just closing.
package redial

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// A Transport makes requests. If a kept connection ends before the first byte of the
// answer, the server had closed it for being idle, and has said nothing about the request:
// Transport sends the request once more, on a connection of its own. net/http does so by
// itself only for methods that are idempotent.
//
// Whoever uses it must be content with a request that arrives twice. A request is not
// repeated if its time is over, or if its body cannot be read again (GetBody). Many
// goroutines may use a Transport at once. Get one from [New].
type Transport struct {
	kept, fresh http.RoundTripper
}

// New returns a Transport that makes requests with the base, which must not be changed
// afterwards. A base that is not an [*http.Transport] makes the second attempt, too.
func New(base http.RoundTripper) *Transport {
	t := &Transport{base, base}
	if transport, ok := base.(*http.Transport); ok {
		fresh := transport.Clone()
		fresh.DisableKeepAlives = true
		t.fresh = fresh
	}
	return t
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var kept, answered atomic.Bool
	ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn:              func(c httptrace.GotConnInfo) { kept.Store(c.Reused) },
		GotFirstResponseByte: func() { answered.Store(true) },
	})
	response, err := t.kept.RoundTrip(r.WithContext(ctx))
	switch {
	case !kept.Load() || r.Context().Err() != nil || isTimeout(err):
		return response, err
	case err != nil && answered.Load():
		return response, err
	case err == nil && response.StatusCode != http.StatusRequestTimeout:
		// 408 on a kept connection was sent before the request came: servers announce
		// so that they close an idle connection (RFC 9110, 15.5.9).
		return response, err
	}
	again := r.Clone(r.Context())
	if r.Body != nil && r.Body != http.NoBody {
		if r.GetBody == nil {
			return response, err
		}
		body, bodyErr := r.GetBody()
		if bodyErr != nil {
			return response, err
		}
		again.Body = body
	}
	if response != nil {
		response.Body.Close()
	}
	return t.fresh.RoundTrip(again)
}

// CloseIdleConnections closes the connections that nothing uses.
func (t *Transport) CloseIdleConnections() {
	for _, one := range []http.RoundTripper{t.kept, t.fresh} {
		if c, ok := one.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
}

func isTimeout(err error) bool {
	var slow net.Error
	return errors.As(err, &slow) && slow.Timeout()
}
