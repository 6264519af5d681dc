package boreas

import (
	"time"
)

// A Conn is a session's way out: what a transport gives the hub to write to.
//
// The hub calls TryWrite and WaitWritable from one goroutine at a time. TryWrite has
// returned, and is not called again, when the session is finished: when Finish is
// called, or Session.Lost has returned. WaitWritable may still be waiting then, and
// returns an error.
type Conn interface {
	// TryWrite writes as much of p as it can without waiting and returns how
	// much that was. Less than len(p) with a nil error means that it would have
	// to wait. An error means that the connection is lost. It does not keep p.
	//
	// A transport that cannot write without waiting (TLS, an HTTP response)
	// takes a copy of p, writes it on a goroutine of its own, and takes nothing
	// more before that is done.
	TryWrite(p []byte) (int, error)

	// WaitWritable returns nil once TryWrite is worth another attempt,
	// os.ErrDeadlineExceeded if it was not within d, or another error if the
	// connection is lost.
	WaitWritable(d time.Duration) error

	// Finish tells that the hub writes nothing more, why the session ended, and
	// whether its last words are out; if not, there is nothing to wait for. The
	// transport closes the connection in its own time and does not block. It is
	// called once for each session that was started.
	Finish(reason error, said bool)
}
