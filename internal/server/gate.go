package server

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/credential"
	"github.com/boreas-pubsub/boreas/v2/internal/peer"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
	"github.com/boreas-pubsub/boreas/v2/limit"
	"github.com/boreas-pubsub/boreas/v2/refusal"
)

// gate handles all requests to the subscribers' port first. It finds the client's address, limits
// new connections per client and in total, and checks the origin of pages. It does not check
// tokens, so a refusal costs little.
type gate struct {
	// Immutable.
	gateOptions
	rate *limit.Rate // of new connections in total
	next http.Handler

	count gateCounters // safe for concurrent use
}

type gateOptions struct {
	perSecond int          // connections per second; 0 means no limit
	origins   *liveOrigins // nil allows all
	proxies   peer.Proxies
	limits    *limit.Limits
	refusals  *refusal.Log

	// untrusted, if not nil, is called for a peer that sends X-Forwarded-For and is not trusted.
	untrusted func(peer string)
}

// gateCounters count the refusals of the gate, and of the PROXY protocol before it.
type gateCounters struct {
	tooFast, origin atomic.Uint64
	proxyHeader     limit.Meter // connections from trusted proxies without a valid header
}

// refusedSpread is the number of seconds over which the reconnections of refused clients are
// spread.
const refusedSpread = 5

func newGate(o gateOptions, next http.Handler) *gate {
	return &gate{gateOptions: o, next: next, rate: limit.NewRate(o.perSecond)}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.untrusted != nil && len(r.Header["X-Forwarded-For"]) > 0 && !g.proxies.Trust(credential.AddressOf(r)) {
		g.untrusted(r.RemoteAddr)
	}
	address := identify(g.proxies, r)
	if err := refusedConnection(r); err != nil {
		g.refuse(w, r, err)
		return
	}
	// This check comes before everything that counts, so that a page that may not connect does not
	// use up its visitor's limits.
	for _, origin := range r.Header["Origin"] { // with two headers, the page's origin is unknown
		if origin != "" && !g.origins.get().allow(origin) {
			g.count.origin.Add(1)
			g.refuse(w, r, fault.OriginNotAllowed.With("Pages of the origin "+strconv.QuoteToASCII(origin)+" may not connect (allow_origin)."))
			return
		}
	}
	// This check comes before the limit for all clients, so that one client's excess requests do
	// not count against others.
	if err := g.limits.Accept(address, credential.Embedded(r)); err != nil {
		g.refuse(w, r, err)
		return
	}
	if !g.rate.Allow() {
		g.count.tooFast.Add(1)
		wait := time.Duration(1+rand.IntN(refusedSpread)) * time.Second
		g.refuse(w, r, fault.Overloaded.After("More new connections arrive than the server accepts per second (accept_rate). Reconnect after the number of seconds in Retry-After.", wait))
		return
	}
	g.next.ServeHTTP(w, r)
}

// refuse writes an error in the form of the request's path. It closes the connection, which would
// use a descriptor that no limit counts.
func (g *gate) refuse(w http.ResponseWriter, r *http.Request, err error) {
	g.refusals.Note(err, refusal.Entry{Transport: "http", Verb: "connect"}, credential.AddressOf(r), nil)
	fault.SetRetryAfter(w.Header(), err)
	if r.ProtoMajor == 1 { // an HTTP/2 connection may carry event streams
		w.Header().Set("Connection", "close")
	}
	if !strings.HasPrefix(r.URL.Path, "/v2") {
		http.Error(w, fault.Message(err), fault.Of(err).Status)
		return
	}
	w.Header().Set("Access-Control-Allow-Origin", "*") // so that a page can read the error
	writeFault(w, err)
}

// writeFault writes the status and the error object of an error.
func writeFault(w http.ResponseWriter, err error) {
	told := protocol2.Fault(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(fault.Of(err).Status)
	w.Write(wire.AppendV2Error(nil, nil, &told))
}

// origins are the origins whose pages may connect; nil means all.
type origins []string

// liveOrigins are the origins in force. [Server.Reload] replaces them.
type liveOrigins struct{ current atomic.Pointer[origins] }

func (l *liveOrigins) set(cfg config.Config) {
	o := originsOf(cfg.AllowedOrigins())
	l.current.Store(&o)
}

func (l *liveOrigins) get() origins {
	if l == nil {
		return nil
	}
	return *l.current.Load()
}

// originsOf converts the list from config.Config.AllowedOrigins.
func originsOf(list []string) origins {
	if slices.Contains(list, "*") {
		return nil
	}
	o := origins{}
	for _, origin := range list {
		o = append(o, strings.ToLower(origin))
	}
	return o
}

func (o origins) allow(origin string) bool {
	if o == nil {
		return true
	}
	origin = strings.ToLower(origin)
	return slices.Contains(o, origin)
}

// header returns the value of Access-Control-Allow-Origin for a request from the origin.
func (o origins) header(origin string) (value string, ok bool) {
	switch {
	case o == nil:
		return "*", true
	case o.allow(origin):
		return origin, true
	}
	return "", false
}
