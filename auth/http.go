package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// fetch gets tokens from a URL. Name is the URL without its secret parts.
func fetch(ctx context.Context, address string) (name string, text []byte, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		// The parser's error contains the address, which may contain a password.
		return "http", nil, errors.New("the URL is not valid")
	}
	name = u.Scheme + "://" + u.Host + u.EscapedPath()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return name, nil, errors.New("the URL is not valid")
	}
	request.Header.Set("Accept", "application/json, text/plain")

	// It has its own transport, so that the connection is closed after the request.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	// Another host must not see the contents of the URL, and its tokens must not be trusted.
	response, err := boundClient(&http.Client{Transport: transport}, 0, maxRedirects).Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the address, which has the query
		}
		return name, nil, err
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return name, nil, fmt.Errorf("it answered %s", response.Status)
	}
	text, err = readBounded(response.Body)
	return name, text, err
}
