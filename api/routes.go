package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/auth"
)

// A handler serves one method of one path, for an authorized caller.
type handler func(w http.ResponseWriter, r *http.Request, c *call)

// A route is one method of one path.
type route struct {
	pattern string // the name in the metrics and the OpenAPI document
	ok      int    // the status of a success
	need    need   // the authorization that the caller needs
	serve   handler
	answers *answers // the number of responses, by status

	onChannel bool   // the name in the path is a channel's
	fixed     string // the name, if it is not in the path
}

// isV2 reports whether the route is below /v2/.
func (r *route) isV2() bool { return strings.Contains(r.pattern, " /v2/") }

// methods are the routes of one path, by method.
type methods map[string]*route

// below is a path that ends with a name. prefix is the part before the name.
type below struct {
	prefix  string
	methods methods
}

// routes maps a path to its routes. http.ServeMux is not suitable, because it redirects a path
// without its trailing slash, even to a pattern that ends with {$}, and a redirected broadcast is
// lost. It also redirects /broadcast//, for which routes reports the error.
type routes struct {
	paths map[string]methods // by the path of the pattern
	list  []*route
	none  route // counts requests without a route

	// The paths that contain a name.
	token, channel, broadcast     methods
	v2channel, messages, presence methods
	below                         []below

	both methods // /broadcast/token/, which matches two patterns
}

func (s *service) routes() *routes {
	t := &routes{paths: make(map[string]methods), none: route{pattern: "none", ok: http.StatusNotFound, answers: new(answers)}}
	// A route that shows the text of tokens needs the verb that creates tokens: a caller that reads
	// a token can use it.
	publishes := need{key: auth.KeyPublish}
	makesTokens := need{key: auth.KeyTokens}
	sees := need{key: auth.KeySessions}
	counts := need{key: auth.KeyStats}
	rules := need{key: auth.KeyAdmin}
	open := need{}

	t.add("POST /token/", 200, makesTokens, s.createToken)
	t.add("GET /token/", 200, makesTokens, s.activeTokens)
	t.add("DELETE /token/{token}", 204, makesTokens, s.deleteToken)
	t.add("GET /{channel}/token/", 200, makesTokens, s.channelTokens)
	// A browser sends the content type of a broadcast to another origin only if that origin allows
	// it.
	t.add("POST /broadcast/{channel}/", 200, need{key: auth.KeyPublish, anyOrigin: true}, s.broadcast)
	if s.options.Debug {
		t.add("GET /debug/token-dump", 200, makesTokens, s.tokenDump)
		t.add("GET /debug/recipient-dump", 200, makesTokens, s.recipientDump)
	}
	t.add("GET /healthz", 200, open, s.healthz)
	t.add("GET /readyz", 200, open, s.readyz)
	t.add("GET /metrics", 200, counts, s.metrics(t))
	t.add("GET /openapi.json", 200, open, openAPI)

	t.add("POST /v2/channels/{channel}/messages", 201, publishes.or(access.VerbPublish), s.v2(s.publish, "dry_run"))
	t.add("POST /v2/messages", 200, publishes.or(access.VerbPublish).forEach(), s.v2(s.publishBatch, "dry_run"))
	t.add("GET /v2/channels", 200, sees, s.v2(s.listChannels, "prefix", "after", "limit"))
	t.add("GET /v2/channels/{channel}", 200, sees, s.v2(s.channelInfo))
	t.add("GET /v2/channels/{channel}/messages", 200, sees.or(access.VerbHistory), s.v2(s.history, "since", "limit"))
	t.add("GET /v2/channels/{channel}/presence", 200, sees.or(access.VerbPresence), s.v2(s.presence))
	t.add("GET /v2/sessions", 200, sees, s.v2(s.listSessions, "user", "token", "after", "limit"))
	t.add("GET /v2/sessions/{session}", 200, sees, s.v2(s.sessionInfo))
	t.add("DELETE /v2/sessions/{session}", 204, sees, s.v2(s.endSession))
	t.add("GET /v2/refusals", 200, sees, s.v2(s.listRefusals, "session", "token", "user", "address", "limit"))
	t.add("GET /v2/stats", 200, counts, s.v2(s.stats))

	t.add("POST /v2/tokens", 201, makesTokens, s.v2(s.newToken))
	t.add("GET /v2/tokens", 200, makesTokens, s.v2(s.listTokens, "user", "after", "limit"))
	t.add("POST /v2/tokens/inspect", 200, makesTokens, s.v2(s.inspectToken))
	t.add("GET /v2/tokens/{id}", 200, makesTokens, s.v2(s.tokenInfo))
	t.add("PATCH /v2/tokens/{id}", 200, makesTokens, s.v2(s.changeToken))
	t.add("DELETE /v2/tokens/{id}", 200, makesTokens, s.v2(s.dropToken))
	t.add("POST /v2/revocations", 201, makesTokens, s.v2(s.newRevocation))
	t.add("GET /v2/revocations", 200, makesTokens, s.v2(s.revocationInfo, "token", "user", "key", "all"))
	t.add("DELETE /v2/revocations", 204, makesTokens, s.v2(s.dropRevocation, "token", "user", "key", "all"))
	t.add("POST /v2/keys", 201, rules, s.v2(s.newKey))
	t.add("GET /v2/keys", 200, rules, s.v2(s.listKeys))
	t.add("DELETE /v2/keys/{id}", 200, rules, s.v2(s.dropKey))

	t.token = t.paths["/token/{token}"]
	t.channel = t.paths["/{channel}/token/"]
	t.broadcast = t.paths["/broadcast/{channel}/"]
	t.v2channel = t.paths["/v2/channels/{channel}"]
	t.messages = t.paths["/v2/channels/{channel}/messages"]
	t.presence = t.paths["/v2/channels/{channel}/presence"]
	for _, path := range []string{"/v2/sessions/{session}", "/v2/tokens/{id}", "/v2/keys/{id}"} {
		t.below = append(t.below, below{path[:strings.Index(path, "{")], t.paths[path]})
	}
	t.both = methods{"POST": t.broadcast["POST"].named("token"), "GET": t.channel["GET"].named("broadcast")}
	return t
}

// add adds a route: METHOD PATH, the status of a success, and the required authorization.
func (t *routes) add(pattern string, ok int, n need, h handler) {
	method, path, _ := strings.Cut(pattern, " ")
	if t.paths[path] == nil {
		t.paths[path] = make(methods)
	}
	r := &route{pattern: pattern, ok: ok, need: n, serve: h, answers: new(answers), onChannel: strings.Contains(path, "{channel}")}
	t.paths[path][method] = r
	t.list = append(t.list, r)
}

// find returns the routes of a path and the name in it, or nil if the path is unknown. The path is
// percent-encoded, so a slash in a name does not separate segments.
func (t *routes) find(path string) (m methods, name string) {
	// These first, because they are the server's hot paths.
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
	if m := t.paths[path]; m != nil { // an encoded path contains no braces, so it never equals a pattern with a name
		return m, ""
	}
	for _, b := range t.below {
		if id, ok := strings.CutPrefix(path, b.prefix); ok && !strings.Contains(id, "/") {
			return b.methods, unescape(id)
		}
	}
	if name, ok := strings.CutPrefix(path, "/token/"); ok && !strings.Contains(name, "/") {
		return t.token, unescape(name)
	}
	if name, ok := strings.CutSuffix(path, "/token/"); ok && strings.LastIndex(name, "/") == 0 {
		return t.channel, unescape(name[1:])
	}
	return nil, ""
}

// findChannel returns the routes of a path below /v2/channels/.
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

// unescape decodes a segment of a path that is correctly encoded.
func unescape(segment string) string {
	name, _ := url.PathUnescape(segment)
	return name
}

// named returns a copy of the route with a fixed name, for a path where the name is not in its
// usual place.
func (r *route) named(name string) *route {
	named := *r
	named.fixed = name
	return &named
}

// allow lists the methods for the header Allow.
func (m methods) allow() string {
	names := slices.Collect(maps.Keys(m))
	if m["GET"] != nil {
		names = append(names, "HEAD")
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
