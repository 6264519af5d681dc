// Package redial retries a request that was sent on a connection that the server was just
// closing.
package redial

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// A Transport makes requests. If a kept-alive connection ends before the first byte of the
// answer, the server closed it because it was idle, without an answer to the request. Transport
// retries the request once, on a new connection. net/http does so by itself only for methods
// that are idempotent.
//
// A request may arrive twice, so use it only for requests where that is harmless. A request is
// not retried if its context has ended, or if its body cannot be read again (GetBody). Many
// goroutines may use a Transport at once. Get one from [New].
type Transport struct {
	kept, fresh http.RoundTripper
}

// New returns a Transport that makes requests with the base, which must not be changed
// afterwards. A base that is not an [*http.Transport] also makes the second attempt.
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
		// On a kept-alive connection, 408 was sent before the request arrived: servers announce with
		// it that they close an idle connection (RFC 9110, section 15.5.9).
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

// CloseIdleConnections closes the unused connections.
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
