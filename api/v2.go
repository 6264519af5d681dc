package api

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
)

// A v2handler serves a path below /v2/. It appends the JSON of its response to dst, or returns an
// error.
type v2handler func(dst []byte, w http.ResponseWriter, r *http.Request, q query) (body []byte, status int, err error)

// A query is a call with the values of its query parameters. Each parameter occurs at most once.
type query struct {
	*call
	values map[string]string
}

// v2 returns a handler that calls h and accepts the named parameters.
func (s *service) v2(h v2handler, parameters ...string) handler {
	return func(w http.ResponseWriter, r *http.Request, c *call) {
		values, err := parseQuery(r.URL.RawQuery, parameters)
		if err != nil {
			s.fail(w, err)
			return
		}
		buf := getBuffer()
		defer putBuffer(buf)
		body, status, err := h(buf.AvailableBuffer(), w, r, query{c, values})
		if err == nil && r.Method == http.MethodGet {
			// The holder of a revoked key or token must not receive messages that were published
			// after the revocation, even if it requested them earlier.
			if denied := s.authorizeAgain(r, c); denied != nil {
				err = &deniedError{denied}
			}
		}
		if denied := (*deniedError)(nil); errors.As(err, &denied) {
			s.deny(w, r, c, denied.reason)
			return
		}
		if err != nil {
			s.fail(w, err)
			return
		}
		if status == http.StatusNoContent {
			w.WriteHeader(status)
			return
		}
		writeJSON(w, status, append(body, '\n'))
	}
}

// parseQuery parses a query strictly, because a misspelt parameter must not be ignored.
func parseQuery(raw string, allowed []string) (map[string]string, error) {
	if raw == "" {
		return nil, nil
	}
	all, err := url.ParseQuery(raw)
	if err != nil {
		return nil, malformed("The query is not encoded correctly: %v.", err)
	}
	values := make(map[string]string, len(all))
	for name, list := range all {
		if !slices.Contains(allowed, name) {
			takes := "this path accepts none"
			if len(allowed) > 0 {
				takes = "this path accepts " + strings.Join(allowed, ", ")
			}
			return nil, malformed("Unknown parameter %.40q: %s.", name, takes)
		}
		if len(list) > 1 {
			return nil, malformed("The parameter %s is given %d times.", name, len(list))
		}
		if !utf8.ValidString(list[0]) {
			return nil, malformed("The parameter %s is not valid UTF-8.", name)
		}
		values[name] = list[0]
	}
	return values, nil
}

// flag returns a boolean parameter; a missing one is false.
func (q query) flag(name string) (bool, error) {
	switch v, given := q.values[name]; {
	case !given || v == "false":
		return false, nil
	case v == "true":
		return true, nil
	default:
		return false, malformed("The parameter %s is %.40q: it must be true or false.", name, v)
	}
}

// All pages have the same size as those of history.
const (
	defaultLimit = protocol2.DefaultPage
	maxLimit     = protocol2.MaxPage
)

// limit returns the maximum number of items on a page.
func (q query) limit() (int, error) {
	if _, given := q.values["limit"]; !given {
		return defaultLimit, nil
	}
	return q.number("limit")
}

// number returns a number of items.
func (q query) number(name string) (int, error) {
	n, err := strconv.Atoi(q.values[name])
	if err != nil || n < 1 || n > maxLimit {
		return 0, malformed("The parameter %s is %.40q: it must be a number from 1 to %d.", name, q.values[name], maxLimit)
	}
	return n, nil
}
