package sse

import (
	"errors"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas"
)

// lastWordsTimeout is how long a peer may take for what a finished session still has
// to say.
const lastWordsTimeout = 5 * time.Second

// response is a stream over an [http.ResponseWriter], whose connection is not its
// own. The hub gives it a batch, the request's goroutine writes that, and only then
// it takes the next one.
type response struct {
	h     *handler
	sess  *boreas.Session
	w     http.ResponseWriter
	rc    *http.ResponseController
	peer  string // its address
	begun atomic.Bool
	work  chan []byte   // room for the one batch
	ended chan struct{} // closed by Finish

	mu   sync.Mutex
	held *boreas.Held  // for the batch
	busy chan struct{} // closed when the batch is written; nil if there is none
	err  error         // of a write
	over bool          // w must not be used any more
}

// overResponse makes the request a stream, and returns when that has ended.
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
	setHeader(w.Header())
	w.WriteHeader(http.StatusOK)
	o.serve(r.Context().Done())
}

// begin implements [out].
func (o *response) begin(dst []byte) []byte {
	o.begun.Store(true)
	return dst
}

// serve writes until the session has ended, or the peer has gone.
func (o *response) serve(gone <-chan struct{}) {
	// A server's WriteTimeout is meant for answers that end.
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

// maxTaken is how much of a batch a stream takes. Without room, it takes only the bytes that are
// free for each stream.
const maxTaken = 64 << 10

// TryWrite implements [boreas.Conn]: it takes as much of p as there is room for, and nothing
// while the previous batch is being written.
func (o *response) TryWrite(p []byte) (int, error) {
	if !o.begun.Load() {
		return len(p), nil // not said to anybody: who ends now is refused
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
		return nil // the next TryWrite tells of an error
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
			until = until.Add(lastWordsTimeout)
		}
		// Ends a write that the peer does not take. Where there is no such
		// deadline, the write ends with the connection.
		o.rc.SetWriteDeadline(until)
	}
	close(o.ended)
}

// leave gives the writer back to its server.
func (o *response) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	o.held.Keep(0)
}
