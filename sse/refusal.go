package sse

import (
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/credential"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
	"github.com/boreas-pubsub/boreas/v2/refusal"
)

// answer is the response to a request that does not become a stream (clause 10.10).
type answer struct {
	status int
	header http.Header
	body   []byte
}

// newAnswer returns the answer for the error, and adds to the header.
func newAnswer(header http.Header, err error) *answer {
	f := fault.Of(err)
	object := protocol2.Fault(err)
	r := &answer{status: f.Status, header: header, body: append(wire.AppendV2Error(nil, nil, &object), '\n')}
	if r.status == 0 { // an error that only ends sessions
		r.status = http.StatusServiceUnavailable
	}
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(r.body)))
	if r.status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	if r.status == http.StatusServiceUnavailable { // also if the client may retry at once
		header.Set("Retry-After", "1")
	}
	fault.SetRetryAfter(header, err)
	return r
}

// refuse records and answers a request that does not become a stream.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, count *atomic.Uint64, err error) {
	h.options.Refusals.Note(err, refusal.Entry{Transport: transport, Verb: "connect"}, credential.AddressOf(r), nil)
	if fault.Of(err) == fault.Internal {
		h.options.Log.Error("a request for a stream failed", "error", err)
	}
	h.answer(w, r, count, err)
}

// answer answers and counts a request that does not become a stream, and closes the connection,
// which the client does not need any more.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, count *atomic.Uint64, err error) {
	count.Add(1)
	a := newAnswer(w.Header(), err)
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(a.status)
	w.Write(a.body)
}

// writeTo writes the response to a connection that was taken over from net/http.
func (r *answer) writeTo(w io.Writer) {
	w.Write(append(appendHead(nil, r.status, r.header), r.body...))
}

// appendHead appends the head of a response on a connection that was taken over from net/http. The
// connection closes after the response.
func appendHead(dst []byte, status int, header http.Header) []byte {
	b := head{dst}
	b.Write([]byte("HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) + "\r\n"))
	header.Set("Connection", "close")
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	header.Write(&b) // cannot fail
	return append(b.bytes, "\r\n"...)
}

// head is an [io.Writer] that appends to a slice.
type head struct{ bytes []byte }

func (h *head) Write(p []byte) (int, error) {
	h.bytes = append(h.bytes, p...)
	return len(p), nil
}
