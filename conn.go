package boreas

import (
	"time"
)

// A Conn is a session's connection, to which the hub writes. Transports implement it.
//
// The hub calls TryWrite and WaitWritable from one goroutine at a time. Once Finish is called or
// Session.Lost has returned, no TryWrite is under way and none follows. WaitWritable may still be
// waiting, and must then return an error.
type Conn interface {
	// TryWrite writes as many bytes of p as it can without waiting, and returns their number. A
	// number below len(p) with a nil error means that the rest would have to wait. An error means
	// that the connection is lost. TryWrite does not keep p.
	//
	// A transport that cannot write without waiting (TLS, an HTTP response) copies p, writes the
	// copy in a goroutine of its own, and accepts nothing more until that is done.
	TryWrite(p []byte) (int, error)

	// WaitWritable returns nil once TryWrite is worth another attempt. It returns
	// os.ErrDeadlineExceeded if that takes longer than d, and another error if the connection is
	// lost.
	WaitWritable(d time.Duration) error

	// Finish reports that the hub writes nothing more, and why the session ended. Said reports whether
	// the final bytes have been written; if not, the transport need not wait for anything. The
	// transport closes the connection in its own time and does not block. Finish is called once for
	// each session that was started.
	Finish(reason error, said bool)
}
