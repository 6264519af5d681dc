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

// A Transport sends requests. If a kept-alive connection ends before the first byte of the
// response, the server closed it because it was idle, and did not answer the request. In this case
// Transport retries the request once, on a new connection. net/http does so only for idempotent
// methods.
//
// The server may receive a request twice, so use Transport only for requests where that is
// harmless. It does not retry a request whose context has ended, or whose body cannot be read again
// (GetBody). A Transport is safe for concurrent use. Get one from [New].
type Transport struct {
	kept, fresh http.RoundTripper
}

// New returns a Transport that sends requests with base. The caller must not change base
// afterwards. If base is not an [*http.Transport], it also sends the second attempt.
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
		// A 408 on a kept-alive connection was sent before the request arrived: servers send it
		// when they close an idle connection (RFC 9110, section 15.5.9).
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
