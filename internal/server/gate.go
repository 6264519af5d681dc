package server

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/time/rate"

	"github.com/boreas-pubsub/boreas/internal/fault"
	"github.com/boreas-pubsub/boreas/internal/wire"
)

// gate stands before everything on the subscribers' port: it lets no more connections
// in than the server can take, and only pages of the origins that may. It looks at no
// token: what it refuses has cost nothing yet.
type gate struct {
	limiter *rate.Limiter // nil if there is no bound
	origins origins
	count   gateCounters
	next    http.Handler
}

// gateCounters count what the gate refused.
type gateCounters struct{ tooFast, origin atomic.Uint64 }

// refusedSpread is over how many seconds those who were refused together are told to
// come back.
const refusedSpread = 5

// newGate bounds connections to so many a second; 0 means no bound.
func newGate(perSecond int, origins origins, next http.Handler) *gate {
	g := &gate{origins: origins, next: next}
	if perSecond > 0 {
		g.limiter = rate.NewLimiter(rate.Limit(perSecond), perSecond)
	}
	return g
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.limiter != nil && !g.limiter.Allow() {
		g.count.tooFast.Add(1)
		wait := 1 + rand.IntN(refusedSpread)
		w.Header().Set("Retry-After", strconv.Itoa(wait))
		g.refuse(w, r, fault.Overloaded.With("More connections come in than the server takes in a second (accept_rate). Connect again after the seconds that Retry-After gives."), int64(wait)*1000)
		return
	}
	if origin := r.Header.Get("Origin"); origin != "" && !g.origins.allow(origin) {
		g.count.origin.Add(1)
		g.refuse(w, r, fault.OriginNotAllowed.With("Pages of the origin "+strconv.QuoteToASCII(origin)+" may not connect (allow_origin)."), 0)
		return
	}
	g.next.ServeHTTP(w, r)
}

// refuse answers in the words of what was asked for, and ends the connection, which
// would hold a descriptor that nothing counts.
func (g *gate) refuse(w http.ResponseWriter, r *http.Request, err error, afterMS int64) {
	f := fault.Of(err)
	if r.ProtoMajor == 1 { // one of HTTP/2 may have streams of events on it
		w.Header().Set("Connection", "close")
	}
	if !strings.HasPrefix(r.URL.Path, "/v2") {
		http.Error(w, fault.Message(err), f.Status)
		return
	}
	told := fault.Wire(err)
	if afterMS > 0 {
		told.RetryAfterMS = afterMS
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Access-Control-Allow-Origin", "*") // so that a page can read why
	w.WriteHeader(f.Status)
	w.Write(wire.AppendV2Error(nil, nil, &told))
}

// origins are the origins whose pages may connect; nil means all.
type origins []string

// originsOf reads the list that config.Config.AllowedOrigins returns.
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

// header returns the value of Access-Control-Allow-Origin for a request of the origin.
func (o origins) header(origin string) (value string, ok bool) {
	switch {
	case o == nil:
		return "*", true
	case o.allow(origin):
		return origin, true
	}
	return "", false
}
