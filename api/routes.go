package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A handler serves one method of one path. Name is what stands in the path for a
// channel, a token or a session, decoded; "" if nothing does.
type handler func(w http.ResponseWriter, r *http.Request, name string)

// A route is one method of one path.
type route struct {
	pattern string // as the metrics and the OpenAPI document call it
	ok      int    // the status if all is well
	serve   handler
	answers *answers // how many, by status
}

// methods are what serves one path: a route for each method.
type methods map[string]*route

// routes finds what serves a path. http.ServeMux does not do here: it redirects a
// path without its slash at the end, even to a pattern that ends in {$}, and a
// redirected broadcast is a lost one; and it redirects /broadcast//, where this
// can say what is wrong.
type routes struct {
	paths map[string]methods // by the path of the pattern
	list  []*route
	none  route // stands for what has no route

	// Those of paths that have a name in them.
	token, channel, broadcast              methods
	v2channel, messages, presence, session methods

	both methods // /broadcast/token/, which is two of them
}

func (s *service) routes() *routes {
	t := &routes{paths: make(map[string]methods), none: route{pattern: "none", ok: http.StatusNotFound, answers: new(answers)}}
	t.add("POST /token/", 200, s.sameOrigin(s.createToken))
	t.add("GET /token/", 200, s.activeTokens)
	t.add("DELETE /token/{token}", 204, s.sameOrigin(s.deleteToken))
	t.add("GET /{channel}/token/", 200, s.channelTokens)
	t.add("POST /broadcast/{channel}/", 200, s.broadcast)
	if s.options.Debug {
		t.add("GET /debug/token-dump", 200, s.tokenDump)
		t.add("GET /debug/recipient-dump", 200, s.recipientDump)
	}
	t.add("GET /healthz", 200, s.healthz)
	t.add("GET /readyz", 200, s.readyz)
	t.add("GET /metrics", 200, s.metrics(t))
	t.add("GET /openapi.json", 200, openAPI)

	t.add("POST /v2/channels/{channel}/messages", 201, s.v2(s.v2SameOrigin(s.publish), "dry_run"))
	t.add("POST /v2/messages", 200, s.v2(s.v2SameOrigin(s.publishBatch), "dry_run"))
	t.add("GET /v2/channels", 200, s.v2(s.listChannels, "prefix", "after", "limit"))
	t.add("GET /v2/channels/{channel}", 200, s.v2(s.channelInfo))
	t.add("GET /v2/channels/{channel}/messages", 200, s.v2(s.history, "since", "limit"))
	t.add("GET /v2/channels/{channel}/presence", 200, s.v2(s.presence))
	t.add("GET /v2/sessions", 200, s.v2(s.listSessions, "user", "after", "limit"))
	t.add("GET /v2/sessions/{session}", 200, s.v2(s.sessionInfo))
	t.add("DELETE /v2/sessions/{session}", 204, s.v2(s.v2SameOrigin(s.endSession)))
	t.add("GET /v2/stats", 200, s.v2(s.stats))

	t.token = t.paths["/token/{token}"]
	t.channel = t.paths["/{channel}/token/"]
	t.broadcast = t.paths["/broadcast/{channel}/"]
	t.v2channel = t.paths["/v2/channels/{channel}"]
	t.messages = t.paths["/v2/channels/{channel}/messages"]
	t.presence = t.paths["/v2/channels/{channel}/presence"]
	t.session = t.paths["/v2/sessions/{session}"]
	t.both = methods{"POST": t.broadcast["POST"].named("token"), "GET": t.channel["GET"].named("broadcast")}
	return t
}

// add adds a route: METHOD PATH, and the status if all is well.
func (t *routes) add(pattern string, ok int, h handler) {
	method, path, _ := strings.Cut(pattern, " ")
	if t.paths[path] == nil {
		t.paths[path] = make(methods)
	}
	r := &route{pattern, ok, h, new(answers)}
	t.paths[path][method] = r
	t.list = append(t.list, r)
}

// find returns what serves a path, nil if nothing does, and the name in it. The
// path is percent-encoded, so that a slash in a name is none of the path's.
func (t *routes) find(path string) (m methods, name string) {
	// These first: they are the server's hot paths.
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
	if rest, ok := strings.CutPrefix(path, "/v2/channels/"); ok {
		return t.findChannel(rest)
	}
	if m := t.paths[path]; m != nil { // a name's braces are never in an encoded path
		return m, ""
	}
	if id, ok := strings.CutPrefix(path, "/v2/sessions/"); ok && !strings.Contains(id, "/") {
		return t.session, unescape(id)
	}
	if name, ok := strings.CutPrefix(path, "/token/"); ok && !strings.Contains(name, "/") {
		return t.token, unescape(name)
	}
	if name, ok := strings.CutSuffix(path, "/token/"); ok && strings.LastIndex(name, "/") == 0 {
		return t.channel, unescape(name[1:])
	}
	return nil, ""
}

// findChannel finds what serves a path below /v2/channels/.
func (t *routes) findChannel(rest string) (m methods, name string) {
	segment, what, deeper := strings.Cut(rest, "/")
	switch {
	case !deeper:
		m = t.v2channel
	case what == "messages":
		m = t.messages
	case what == "presence":
		m = t.presence
	default:
		return nil, ""
	}
	return m, unescape(segment)
}

// unescape decodes a segment of a path that is known to be well encoded.
func unescape(segment string) string {
	name, _ := url.PathUnescape(segment)
	return name
}

// named returns the route with a name that does not stand in the path where it should.
func (r *route) named(name string) *route {
	serve := func(w http.ResponseWriter, q *http.Request, _ string) { r.serve(w, q, name) }
	return &route{r.pattern, r.ok, serve, r.answers}
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
