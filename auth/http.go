package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// fetch gets tokens from a URL. Name is the URL without what may be secret in it.
func fetch(ctx context.Context, address string) (name string, text []byte, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		// The parser's error would repeat the address, and so a password in it.
		return "http", nil, errors.New("the URL is not valid")
	}
	name = u.Scheme + "://" + u.Host + u.EscapedPath()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return name, nil, errors.New("the URL is not valid")
	}
	request.Header.Set("Accept", "application/json, text/plain")

	// A transport of its own: the one connection is closed after its one request.
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
