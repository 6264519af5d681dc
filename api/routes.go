package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A handler serves one method of one path. Name is what stands in the path for a
// channel or a token, decoded; "" if nothing does.
type handler func(w http.ResponseWriter, r *http.Request, name string)

// methods are what serves one path: a handler for each method.
type methods map[string]handler

// routes finds what serves a path. http.ServeMux does not do here: it redirects a
// path without its slash at the end, even to a pattern that ends in {$}, and a
// redirected broadcast is a lost one; and it redirects /broadcast//, where this
// can say what is wrong.
type routes struct {
	plain     map[string]methods // paths without a name in them
	token     methods            // /token/{name}
	channel   methods            // /{name}/token/
	broadcast methods            // /broadcast/{name}/
	both      methods            // /broadcast/token/, which is the last two
}

func (s *service) routes() *routes {
	t := &routes{
		plain: map[string]methods{
			"/token/":  {"POST": s.sameOrigin(s.createToken), "GET": s.activeTokens},
			"/healthz": {"GET": s.healthz},
			"/readyz":  {"GET": s.readyz},
			"/metrics": {"GET": s.metrics()},
		},
		token:     methods{"DELETE": s.sameOrigin(s.deleteToken)},
		channel:   methods{"GET": s.channelTokens},
		broadcast: methods{"POST": s.broadcast},
		both: methods{
			"POST": func(w http.ResponseWriter, r *http.Request, _ string) { s.broadcast(w, r, "token") },
			"GET":  func(w http.ResponseWriter, r *http.Request, _ string) { s.channelTokens(w, r, "broadcast") },
		},
	}
	if s.options.Debug {
		t.plain["/debug/token-dump"] = methods{"GET": s.tokenDump}
		t.plain["/debug/recipient-dump"] = methods{"GET": s.recipientDump}
	}
	return t
}

// find returns what serves a path, nil if nothing does, and the name in it. The
// path is percent-encoded, so that a slash in a name is none of the path's.
func (t *routes) find(path string) (m methods, name string) {
	// This one first: it is the server's hot path.
	if rest, ok := strings.CutPrefix(path, "/broadcast/"); ok {
		segment, rest, ok := strings.Cut(rest, "/")
		if !ok || rest != "" {
			return nil, ""
		}
		if name = unescape(segment); name == "token" {
			return t.both, ""
		}
		return t.broadcast, name
	}
	if m := t.plain[path]; m != nil {
		return m, ""
	}
	if name, ok := strings.CutPrefix(path, "/token/"); ok && !strings.Contains(name, "/") {
		return t.token, unescape(name)
	}
	if name, ok := strings.CutSuffix(path, "/token/"); ok && strings.LastIndex(name, "/") == 0 {
		return t.channel, unescape(name[1:])
	}
	return nil, ""
}

// unescape decodes a segment of a path that is known to be well encoded.
func unescape(segment string) string {
	name, _ := url.PathUnescape(segment)
	return name
}

// allow lists the methods as the header Allow does.
func (m methods) allow() string {
	names := slices.Collect(maps.Keys(m))
	if m["GET"] != nil {
		names = append(names, "HEAD")
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// serve answers one request.
func (s *service) serve(t *routes, w http.ResponseWriter, r *http.Request) {
	m, name := t.find(r.URL.EscapedPath())
	if m == nil {
		s.refuse(w, refusedPath, http.StatusNotFound, "There is nothing at this path.")
		return
	}
	method := r.Method
	if method == "HEAD" { // the server leaves the body out
		method = "GET"
	}
	h := m[method]
	if h == nil {
		allow := m.allow()
		w.Header().Set("Allow", allow)
		s.refuse(w, refusedMethod, http.StatusMethodNotAllowed, "This path takes "+allow+" only.")
		return
	}
	h(w, r, name)
}
