package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// parseURL parses the URL of a server. Its errors do not contain the user, the password or the
// query, because errors end up in logs.
func parseURL(what, text string, form string, schemes ...string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil && strings.ContainsAny(text, "@?#"):
		// The parser's error may contain a part of a secret.
		return nil, fmt.Errorf("%s URL: it is not valid: give it as %s", what, form)
	case err != nil:
		return nil, fmt.Errorf("%s URL: %w", what, withoutURL(err))
	case !slices.Contains(schemes, u.Scheme) || u.Host == "":
		return nil, fmt.Errorf("%s URL %q: give it as %s", what, shownURL(u), form)
	}
	return u, nil
}

// shownURL returns the URL without its secret parts.
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
	if strings.Contains(shown.Opaque, "@") { // without a scheme, the user's name looks like one
		shown.Opaque = hidden
	}
	return shown.String()
}

// withoutRedirects returns a copy of an HTTP client that does not follow redirects. A redirect
// would send the token or the key to another host and turn a POST into a GET.
func withoutRedirects(h *http.Client) *http.Client {
	own := *h
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// redirection returns the target of a redirect, or "" if the response is not a redirect. It
// returns only the host, because the path may contain a token.
func redirection(resp *http.Response) string {
	if resp.StatusCode < 300 || resp.StatusCode > 399 {
		return ""
	}
	to, err := resp.Location()
	if err != nil {
		return ""
	}
	return "it redirects to " + to.Scheme + "://" + to.Host +
		", and the client does not follow redirects: use that URL if it is correct"
}

// withoutURL removes the URL from net/http's errors, because the path of a token's deletion
// contains the token, and errors end up in logs.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
