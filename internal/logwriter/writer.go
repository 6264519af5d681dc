// Package logwriter writes a log without making the server wait for the log's reader.
package logwriter

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"
)

const (
	// DefaultBytes is how many bytes of lines may wait for the reader.
	DefaultBytes = 1 << 20

	// chunk is the maximum size of one write in bytes, unless a single line is longer. A pipe
	// accepts a write of this size completely or not at all (PIPE_BUF), so the lines of several
	// processes do not mix.
	chunk = 4 << 10

	// again is the pause before a retry of a write to a full non-blocking pipe.
	again = 50 * time.Millisecond
)

// Options are the options of a [Writer]. The zero value works.
type Options struct {
	// Bytes is how many bytes may wait for the reader. A line for which there is no room
	// is dropped. 0 means [DefaultBytes].
	Bytes int

	// Report, if not nil, returns the line that reports n dropped lines. The Writer writes it in
	// their place, once the reader accepts lines again.
	Report func(n uint64) []byte
}

// A Writer writes lines to another writer on a separate goroutine. Its methods are safe for
// concurrent use. Call [Writer.Close] at the end.
type Writer struct {
	// Immutable after New.
	to     io.Writer
	limit  int
	report func(n uint64) []byte
	wake   chan struct{} // has one value while there is work for the goroutine
	done   chan struct{} // closed when the goroutine has ended

	torn bool // the last write ended in the middle of a line; owned by the goroutine

	mu sync.Mutex

	// Guarded by mu.
	closed  bool
	pending []byte
	dropped uint64 // after pending, not reported yet
	total   uint64
}

// New returns a Writer for the given writer, whose writes may block for any time.
func New(to io.Writer, o Options) *Writer {
	w := &Writer{to: to, limit: o.Bytes, report: o.Report, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if w.limit == 0 {
		w.limit = DefaultBytes
	}
	go w.run()
	return w
}

// Write accepts complete lines: p ends with a newline. It never waits for the reader and never
// fails: without room it drops all of p and counts its lines.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.pending)+len(p) > w.limit {
		n := countLines(p)
		w.dropped += n
		w.total += n
	} else {
		w.pending = append(w.pending, p...)
	}
	w.wakeUp()
	return len(p), nil
}

func (w *Writer) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Dropped returns how many lines were dropped because there was no room for them, or because
// writing them failed.
func (w *Writer) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total
}

// Close writes the waiting lines, for no longer than the given time, and accepts no more. It
// reports whether all of them were written or dropped. If not, the goroutine ends once its write
// returns.
func (w *Writer) Close(limit time.Duration) bool {
	w.mu.Lock()
	w.closed = true
	w.wakeUp()
	w.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-w.done:
		return true
	case <-timer.C:
		return false
	}
}

// run writes until the Writer is closed and nothing waits.
func (w *Writer) run() {
	defer close(w.done)
	var batch []byte
	var unreported uint64 // dropped before the batch
	for range w.wake {
		w.mu.Lock()
		batch, w.pending = w.pending, batch[:0]
		before := w.dropped
		w.dropped = 0
		closed := w.closed
		w.mu.Unlock()

		// Lines that were dropped for lack of room came after the batch; lines that could not be
		// written came before it.
		unreported = w.tell(unreported)
		unreported += w.write(batch)
		unreported = w.tell(unreported + before)
		if closed {
			return
		}
		if cap(batch) > w.limit/4 { // do not keep the large array of a burst
			batch = nil
		}
	}
}

// tell reports n dropped lines, and returns how many lines still have to be reported.
func (w *Writer) tell(n uint64) uint64 {
	if n == 0 || w.report == nil {
		return 0
	}
	if _, err := w.put(w.report(n)); err != nil {
		return n
	}
	return 0
}

// write writes lines, and returns how many could not be written.
func (w *Writer) write(lines []byte) (failed uint64) {
	for len(lines) > 0 {
		n := len(lines)
		if n > chunk {
			if end := bytes.LastIndexByte(lines[:chunk], '\n'); end >= 0 {
				n = end + 1
			} else if end = bytes.IndexByte(lines, '\n'); end >= 0 {
				n = end + 1
			}
		}
		if written, err := w.put(lines[:n]); err != nil {
			failed += countLines(lines[written:n])
		}
		lines = lines[n:]
	}
	if failed > 0 {
		w.mu.Lock()
		w.total += failed
		w.mu.Unlock()
	}
	return failed
}

// put writes p, which starts at the beginning of a line.
func (w *Writer) put(p []byte) (written int, err error) {
	if w.torn {
		if _, err := w.all([]byte("\n")); err != nil {
			return 0, err
		}
	}
	written, err = w.all(p)
	w.torn = written > 0 && p[written-1] != '\n'
	return written, err
}

// all writes p. It waits for a slow reader, even if the writer is a pipe that another process has
// made nonblocking.
func (w *Writer) all(p []byte) (written int, err error) {
	for {
		n, err := w.to.Write(p[written:])
		written += n
		if !errors.Is(err, syscall.EAGAIN) {
			return written, err
		}
		time.Sleep(again)
	}
}

// countLines returns how many lines begin in p.
func countLines(p []byte) uint64 {
	n := bytes.Count(p, []byte("\n"))
	if len(p) > 0 && p[len(p)-1] != '\n' {
		n++
	}
	return uint64(n)
}
