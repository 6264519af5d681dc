package sse

import (
	"errors"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
)

// finalWriteTimeout is how long a client may take to receive the last bytes of a finished session.
const finalWriteTimeout = 5 * time.Second

// response is a stream over HTTP/2. Its connection carries other streams as well. The hub passes it
// a batch, the request's goroutine writes the batch to the [http.ResponseWriter], and only then it
// takes the next one.
type response struct {
	h     *handler
	sess  *boreas.Session
	w     http.ResponseWriter
	rc    *http.ResponseController
	peer  string // the client's address
	begun atomic.Bool
	work  chan []byte   // has a capacity of one batch
	ended chan struct{} // closed by Finish

	// Guarded by mu.
	mu   sync.Mutex
	held *boreas.Held  // for the batch
	busy chan struct{} // closed when the batch is written; nil if there is none
	err  error         // of a write
	over bool          // w must not be used any more
}

// overResponse starts the stream, and returns when it has ended.
func (s *stream) overResponse(w http.ResponseWriter, r *http.Request) {
	defer s.sess.Done()
	o := &response{
		h: s.h, sess: s.sess, w: w, rc: http.NewResponseController(w), peer: r.RemoteAddr,
		work: make(chan []byte, 1), ended: make(chan struct{}), held: s.held(),
	}
	defer o.leave()
	if err := s.start(r.Context(), o); err != nil {
		s.h.answer(w, r, &s.h.count.NotJoined, err)
		return
	}
	defer s.sess.Lost(errGone) // even if a write panics; an ended session stays as it is
	s.setHeader(w.Header())
	w.WriteHeader(http.StatusOK)
	o.serve(r.Context().Done())
}

// begin implements [out].
func (o *response) begin(_ *stream, dst []byte) []byte {
	o.begun.Store(true)
	return dst
}

// serve writes until the session has ended or the client has disconnected.
func (o *response) serve(gone <-chan struct{}) {
	// A server's WriteTimeout is meant for responses that end.
	o.rc.SetWriteDeadline(time.Time{})
	for {
		select {
		case p := <-o.work:
			if err := o.write(p); err != nil {
				o.sess.Lost(err)
				return
			}
		case <-gone:
			o.sess.Lost(errGone)
			return
		case <-o.ended:
			select {
			case p := <-o.work: // taken before the end
				o.write(p)
			default:
			}
			return
		}
	}
}

var errGone = errors.New("the peer has ended the stream")

func (o *response) write(p []byte) error {
	_, err := o.w.Write(p)
	if err == nil {
		err = o.rc.Flush()
	}
	if err == nil {
		o.sess.Alive()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
	o.held.Keep(0)
	close(o.busy)
	o.busy = nil
	return err
}

// maxTaken is the maximum number of bytes of a batch that a stream takes at once. Without room, it
// takes only [boreas.HeldFree] bytes.
const maxTaken = 64 << 10

// TryWrite implements [boreas.Conn]: it takes as much of p as there is room for, and nothing
// while the previous batch is being written.
func (o *response) TryWrite(p []byte) (int, error) {
	if !o.begun.Load() {
		return len(p), nil // discarded: the request will be refused with a status instead
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	if o.busy != nil {
		return 0, nil
	}
	if p = p[:min(len(p), maxTaken)]; !o.held.Try(len(p)) {
		p = p[:boreas.HeldFree]
	}
	o.busy = make(chan struct{})
	o.work <- append([]byte(nil), p...)
	return len(p), nil
}

// WaitWritable implements [boreas.Conn].
func (o *response) WaitWritable(d time.Duration) error {
	o.mu.Lock()
	busy := o.busy
	o.mu.Unlock()
	if busy == nil {
		return nil // if a write has failed, the next TryWrite returns the error
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-busy:
		return nil
	case <-o.ended:
		return errGone
	case <-timer.C:
		return os.ErrDeadlineExceeded
	}
}

// Finish implements [boreas.Conn].
func (o *response) Finish(reason error, said bool) {
	o.h.ended(o.sess, reason, said)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.begun.Load() && !o.over {
		until := time.Now()
		if said {
			until = until.Add(finalWriteTimeout)
		}
		// This ends a write to a client that does not read. A writer without deadlines waits until
		// the connection ends.
		o.rc.SetWriteDeadline(until)
	}
	close(o.ended)
}

// leave stops using the writer, because the server's handler returns.
func (o *response) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	o.held.Keep(0)
}
