package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/coding"
	"github.com/boreas-pubsub/boreas/v2/internal/credential"
)

const (
	// firstRead is the size of a new body buffer. Most bodies fit.
	firstRead = 4 << 10

	// maxPooled is the size of the largest body buffer that is kept for reuse, so that a rare large
	// body does not occupy memory forever.
	maxPooled = 64 << 10
)

// buffers are used to read bodies. Published messages are copied out of them, because messages stay
// in the history, and a buffer is larger than its message.
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

var errTooLarge = errors.New("body too large")

// errTooLargeDecoded means that a compressed body has arrived whole, and its content is too large.
var errTooLargeDecoded = errors.New("decoded body too large")

// readBody reads the body within its limits of size and time, and decodes it. The body may have
// taken long to arrive, so readBody checks again whether the caller is authorized, because the
// handler acts directly afterwards. The error is a [*deniedError] or the fault of the body.
func (s *service) readBody(w http.ResponseWriter, r *http.Request, c *call, buf *bytes.Buffer) error {
	codings, err := coding.Of(r.Header["Content-Encoding"])
	if err != nil {
		return err
	}
	if r.ContentLength > s.options.MaxBody {
		return errTooLarge // refused without reading it
	}
	// The server resets the deadline for the next request. A test's recorder does not support
	// deadlines.
	err = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.options.BodyTimeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if err := fill(w, buf, r, s.options.MaxBody+1); err != nil {
		return err
	}
	if int64(buf.Len()) > s.options.MaxBody {
		return errTooLarge
	}
	if len(codings) > 0 {
		if err := s.decodeBody(w, r, c, codings, buf); err != nil {
			return err
		}
	}
	if err := s.authorizeAgain(r, c); err != nil {
		return &deniedError{err}
	}
	return nil
}

// decodeBody replaces the body in buf by its content. The body has arrived whole, so a slow client
// holds no decoder. Its limit is that of a body without codings, and the caller waits for room for
// the result. The limits of the caller's rate have counted what arrived. They count the rest
// afterwards, because they also bound how fast one client displaces the messages of others.
func (s *service) decodeBody(w http.ResponseWriter, r *http.Request, caller *call, codings []coding.Coding, buf *bytes.Buffer) error {
	arrived := buf.Len()
	decoded := getBuffer()
	defer func() { putBuffer(decoded) }()
	for _, c := range slices.Backward(codings) { // the last one was applied last
		decoded.Reset()
		err := c.Decode(decoded, buf.Bytes(), int(s.options.MaxBody), func(n int) error {
			return holdBody(r.Context(), w, buf.Cap()+n)
		})
		if errors.Is(err, coding.ErrTooLarge) {
			return errTooLargeDecoded
		}
		if err != nil {
			return err
		}
		*buf, *decoded = *decoded, *buf
	}
	if more := buf.Len() - arrived; more > 0 {
		caller.client.Sent(more)
		s.options.Limits.Address(credential.AddressOf(r)).Sent(more)
	}
	return nil
}

// fill reads the body of r into buf, up to its end or the limit in bytes. It waits for room for the
// bytes in buf before it reads more from the client.
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
