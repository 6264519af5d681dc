package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// firstRead is the size of a new body buffer: most bodies fit.
	firstRead = 4 << 10

	// maxPooled is the largest body buffer kept for reuse, so that a rare large
	// body does not hold its memory for good.
	maxPooled = 64 << 10
)

// buffers are for bodies being read. What is published is copied out of them: it
// stays in the channel's history, and a buffer is larger than it.
var buffers = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, firstRead)) }}

func getBuffer() *bytes.Buffer {
	buf := buffers.Get().(*bytes.Buffer)
	buf.Reset()
	return buf
}

func putBuffer(buf *bytes.Buffer) {
	if buf.Cap() <= maxPooled {
		buffers.Put(buf)
	}
}

var (
	errTooLarge = errors.New("body too large")
	errCoding   = errors.New("body with a content coding")
)

// coded reports whether a body has a content coding. The server supports only "identity" (RFC 9110, section 8.4.1). Without this
// check it would report a compressed body as bad JSON, which would not explain the cause.
func coded(h http.Header) bool {
	for _, list := range h["Content-Encoding"] {
		for coding := range strings.SplitSeq(list, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return true
			}
		}
	}
	return false
}

// readBody reads the body within its bounds of size and time. The body may have taken long to
// arrive, so readBody checks again whether the caller may make the call, because the handler
// acts at once after this. Error: a [*deniedError], or the fault of the body.
func (s *service) readBody(w http.ResponseWriter, r *http.Request, c *call, buf *bytes.Buffer) error {
	if coded(r.Header) {
		return errCoding
	}
	if r.ContentLength > s.options.MaxBody {
		return errTooLarge // not a byte of it is read
	}
	// The server sets the deadline anew for the next request. A test's recorder
	// cannot have one.
	err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.options.BodyTimeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if err := fill(w, buf, r, s.options.MaxBody+1); err != nil {
		return err
	}
	if int64(buf.Len()) > s.options.MaxBody {
		return errTooLarge
	}
	if err := s.authorizeAgain(r, c); err != nil {
		return &deniedError{err}
	}
	return nil
}

// fill reads the body of r into buf, up to its end or the given number of bytes. It waits for
// room for the bytes in buf before it reads more from the client.
func fill(w http.ResponseWriter, buf *bytes.Buffer, r *http.Request, limit int64) error {
	body := io.LimitReader(r.Body, limit)
	for {
		if buf.Available() == 0 {
			if err := holdBody(r.Context(), w, 2*buf.Cap()); err != nil {
				return err
			}
			buf.Grow(buf.Cap())
		}
		free := buf.AvailableBuffer()
		n, err := body.Read(free[:cap(free)])
		buf.Write(free[:n])
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}
