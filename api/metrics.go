package api

import (
	"bytes"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/boreas-pubsub/boreas/v2"
)

// A reason is why a request for a classic path was refused. It is a value of the label "reason".
// Requests below /v2/ are counted by route and status.
type reason int

const (
	refusedPath reason = iota
	refusedMethod
	refusedChannel
	refusedType
	refusedBody
	refusedCoding
	refusedSize
	refusedSlow
	refusedCut
	refusedOrigin
	refusedKey
	refusedHost
	refusedToken
	refusedClosed
	refusedMemory
	refusedFailure
	reasons // the number of reasons
)

var refusalNames = [reasons]string{
	refusedPath:    "path",         // 404: an unknown path
	refusedMethod:  "method",       // 405: a known path with another method
	refusedChannel: "channel_name", // 400: not a channel name
	refusedType:    "content_type", // 400: not application/json
	refusedBody:    "body",         // 400: not the JSON of a broadcast
	refusedCoding:  "body_coding",  // 400, 415: a compressed body, damaged or with an unknown coding
	refusedSize:    "body_size",    // 413: over MaxBody
	refusedSlow:    "body_timeout", // 408: over BodyTimeout
	refusedCut:     "body_cut",     // 400: the body ended early
	refusedOrigin:  "origin",       // 403: a web page of another origin
	refusedKey:     "key",          // 401, 403, 503: no valid key with the verb
	refusedHost:    "host",         // 421: open to this machine, requested under another name
	refusedToken:   "no_token",     // 404: deleting an unknown token
	refusedClosed:  "closed",       // 503: shutting down
	refusedMemory:  "peer_memory",  // 503: peer_memory is used up
	refusedFailure: "failure",      // 500: the engine or the token store failed
}

// counts are this package's own counters.
type counts struct {
	refused       [reasons]atomic.Uint64
	dryRuns       atomic.Uint64
	tokensCreated atomic.Uint64
	tokensDeleted atomic.Uint64
	sessionsEnded atomic.Uint64
}

// metrics returns the handler for Prometheus.
func (s *service) metrics(t *routes) handler {
	s.options.Registry.MustRegister(
		newCollector(s.hub, s.options.Authority, &s.counts, t),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	h := promhttp.HandlerFor(s.options.Registry, promhttp.HandlerOpts{DisableCompression: true})
	return func(w http.ResponseWriter, r *http.Request, _ *call) {
		buf := getBuffer()
		defer putBuffer(buf)
		scrape := scrape{w, http.StatusOK, buf}
		h.ServeHTTP(&scrape, r)
		// The text does not count as held: when the memory for clients is used up, the metrics are
		// the only way to see it.
		body := buf.Bytes()
		if len(body) >= minCoded {
			body = compressed(w, body)
		}
		w.WriteHeader(scrape.status)
		w.Write(body)
	}
}

// A scrape is a response of the metrics that is kept until it is complete, so that it is compressed
// like all other responses.
type scrape struct {
	http.ResponseWriter
	status int
	body   *bytes.Buffer
}

// WriteHeader implements [http.ResponseWriter].
func (s *scrape) WriteHeader(status int) { s.status = status }

// Write implements [http.ResponseWriter].
func (s *scrape) Write(p []byte) (int, error) { return s.body.Write(p) }

// snapshot contains everything that a scrape reports, read once.
type snapshot struct {
	boreas.Stats
	*counts
	tokens, keys, revocations int
}

// metric is a row of the table of metrics: one time series.
type metric struct {
	kind  prometheus.ValueType
	name  string // without the prefix boreas_
	help  string
	label string // "" or key=value; rows with the same name are adjacent
	value func(*snapshot) float64
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)
