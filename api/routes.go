package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
)

// A handler serves one method of one path. The caller has been authorized.
type handler func(w http.ResponseWriter, r *http.Request, c *call)

// A route is one method of one path.
type route struct {
	pattern string // as in the metrics and the OpenAPI document
	ok      int    // the status of a success
	need    need   // who may call it
	serve   handler
	answers *answers // counts the answers by status

	onChannel bool   // the first name in the path is a channel's
	fixed     string // the name if it is not taken from the path
}

// isV2 reports whether the route is below /v2/.
func (r *route) isV2() bool { return strings.Contains(r.pattern, " /v2/") }

// methods are the routes of one path, by method.
type methods map[string]*route

// routes maps paths to their routes. To add a path, add it to the table below.
type routes struct {
	tree node
	list []*route
	none route // counts the answers to requests without a route

	broadcast, both *node // see find
}

// routes returns the table of all paths. net/http's ServeMux is not suitable: it redirects paths
// with empty segments or dots, which are valid channel names, and paths without their final slash.
// Many clients do not repeat a POST at the address of a redirect, so messages would be lost.
func (s *service) routes() *routes {
	t := &routes{none: route{pattern: "none", ok: http.StatusNotFound, answers: new(answers)}}
	// Routes that show the text of tokens need the same verb as routes that make tokens, because a
	// caller who can read a token can use it.
	publishes := need{key: auth.KeyPublish}
	makesTokens := need{key: auth.KeyTokens}
	sees := need{key: auth.KeySessions}
	views := need{key: auth.KeySessions, view: true}
	counts := need{key: auth.KeyStats, view: true}
	rules := need{key: auth.KeyAdmin}
	open := need{}

	// These come first in the tree because most requests are for them.
	t.tree.at("/v2/channels/{channel}/messages")
	t.tree.at("/broadcast/{channel}/")

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
	t.add("GET /v2/channels", 200, views, s.v2(s.listChannels, "order", "prefix", "after", "limit"))
	t.add("GET /v2/channels/{channel}", 200, views, s.v2(s.channelInfo))
	t.add("GET /v2/channels/{channel}/messages", 200, sees.or(access.VerbHistory), s.v2(s.history, historyParameters...))
	t.add("GET /v2/channels/{channel}/messages/{position}", 200, views, s.v2(s.traceMessage))
	t.add("DELETE /v2/channels/{channel}/messages", 200, rules, s.v2(s.purge))
	t.add("GET /v2/channels/{channel}/presence", 200, views.or(access.VerbPresence), s.v2(s.presence))
	t.add("GET /v2/sessions", 200, views, s.v2(s.listSessions, "order", "user", "token", "after", "limit"))
	t.add("GET /v2/sessions/{session}", 200, views, s.v2(s.sessionInfo))
	t.add("DELETE /v2/sessions/{session}", 204, sees, s.v2(s.endSession))
	t.add("GET /v2/refusals", 200, views, s.v2(s.listRefusals, "session", "token", "user", "address", "limit"))
	t.add("GET /v2/tail", 200, views.inside(), s.watchTail)
	t.add("GET /v2/stats", 200, counts, s.v2(s.stats, "node"))
	t.add("GET /v2/nodes", 200, counts, s.v2(s.listNodes))
	t.add("GET /v2/config", 200, views, s.v2(s.listConfig))
	t.add("GET /v2/caller", 200, need{anyKey: true}, s.v2(s.callerInfo))

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

	t.broadcast = t.tree.at("/broadcast/{channel}/")
	t.both = &node{methods: methods{
		"POST": t.broadcast.methods["POST"].named("token"),
		"GET":  t.tree.at("/{channel}/token/").methods["GET"].named("broadcast"),
	}}
	return t
}

// add adds a route. The pattern is METHOD PATH, ok is the status of a success, and n says which
// callers may use the route.
func (t *routes) add(pattern string, ok int, n need, h handler) {
	method, path, _ := strings.Cut(pattern, " ")
	r := &route{pattern: pattern, ok: ok, need: n, serve: h, answers: new(answers), onChannel: strings.Contains(path, "{channel}")}
	at := t.tree.at(path)
	if at.methods == nil {
		at.methods = make(methods)
	}
	at.methods[method] = r
	t.list = append(t.list, r)
}

// find returns the methods of a percent-encoded path and the names in the path. It returns nil if
// there is no such path.
func (t *routes) find(path string) (m methods, in names) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil, names{} // the * of OPTIONS
	}
	found, in := t.tree.find(rest)
	if found == nil {
		return nil, names{}
	}
	for i, segment := range in {
		in[i], _ = url.PathUnescape(segment) // net/http has checked the encoding
	}
	if found == t.broadcast && in[0] == "token" {
		found = t.both // the path of two patterns
	}
	return found.methods, in
}

// named returns the route with a fixed name instead of one from the path.
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
