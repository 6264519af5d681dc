package api

import (
	"net/http"
	"strconv"

	"github.com/boreas-pubsub/boreas/v2/internal/coding"
)

// minCoded is the size of the smallest response that is compressed. A smaller one fits into one
// packet anyway.
const minCoded = 1 << 10

var varyEncoding = []string{"Accept-Encoding"}

// compressed returns a response compressed with gzip if the client asks for it, and adds the headers for it.
// It returns the response unchanged if the client wants no gzip, that does not make it
// smaller, or there is no memory for a second copy. The response counts as held; afterwards only its
// compressed form does.
func compressed(w http.ResponseWriter, body []byte) []byte {
	r, ok := w.(*recorder)
	if !ok || r.plain {
		return body
	}
	h := w.Header()
	vary(h)
	if !acceptsGzip(r) || r.held.answer != nil && !r.held.answer.Try(2*len(body)) {
		return body
	}
	if out, smaller := coding.EncodeGzip(body); smaller {
		body = out
		h["Content-Encoding"] = []string{string(coding.Gzip)}
		h["Content-Length"] = []string{strconv.Itoa(len(out))}
	}
	if r.held.answer != nil {
		r.held.answer.Keep(len(body))
	}
	return body
}

func acceptsGzip(r *recorder) bool {
	return coding.Choose(r.request.Header["Accept-Encoding"], coding.Gzip) == coding.Gzip
}

// vary tells caches that the response depends on Accept-Encoding.
func vary(h http.Header) {
	if h["Vary"] == nil {
		h["Vary"] = varyEncoding
		return
	}
	h.Add("Vary", varyEncoding[0]) // the handler of the metrics has set it
}

// compressedStream makes the response a gzip stream if the client asks for it. It returns nil if the
// client does not. It must be called before the response begins.
func compressedStream(w http.ResponseWriter) *coding.GzipStream {
	r, ok := w.(*recorder)
	if !ok || r.plain {
		return nil
	}
	h := w.Header()
	vary(h)
	if !acceptsGzip(r) {
		return nil
	}
	h["Content-Encoding"] = []string{string(coding.Gzip)}
	return coding.NewGzipStream(w)
}
