package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// parseURL reads the URL of a server. Its errors do not repeat a user, a password or a
// query: errors end up in logs.
func parseURL(what, text string, form string, schemes ...string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil && strings.ContainsAny(text, "@?#"):
		// The parser's error may repeat a part of what is secret.
		return nil, fmt.Errorf("%s URL: it is not valid: give it as %s", what, form)
	case err != nil:
		return nil, fmt.Errorf("%s URL: %w", what, withoutURL(err))
	case !slices.Contains(schemes, u.Scheme) || u.Host == "":
		return nil, fmt.Errorf("%s URL %q: give it as %s", what, shownURL(u), form)
	}
	return u, nil
}

// shownURL returns the URL as it may be shown to anyone.
func shownURL(u *url.URL) string {
	const hidden = "xxxxx"
	shown := *u
	if shown.User != nil {
		shown.User = url.User(hidden)
	}
	if shown.RawQuery != "" {
		shown.RawQuery = hidden
	}
	if shown.Fragment != "" {
		shown.Fragment, shown.RawFragment = hidden, ""
	}
	if strings.Contains(shown.Opaque, "@") { // without a scheme, a user's name looks like one
		shown.Opaque = hidden
	}
	return shown.String()
}

// withoutRedirects returns a copy of an HTTP client that follows no redirect. The token or
// the key would be shown to the host that it leads to, and a POST would become a GET.
func withoutRedirects(h *http.Client) *http.Client {
	own := *h
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// redirection says where a redirect leads; "" if the response is none. The path may hold
// a token, so the host alone is named.
func redirection(resp *http.Response) string {
	if resp.StatusCode < 300 || resp.StatusCode > 399 {
		return ""
	}
	to, err := resp.Location()
	if err != nil {
		return ""
	}
	return "it redirects to " + to.Scheme + "://" + to.Host +
		", which the client does not follow: give that URL if it is the right one"
}

// withoutURL takes the URL out of net/http's errors: the path of a token's
// deletion is the token, and errors end up in logs.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
