//go:build unix

package boreas

import (
	"os"
	"runtime"
	"syscall"
)

// pollPoint lets Go's scheduler look at the network. It does so by itself only when no
// goroutine is ready to run, or every ten milliseconds: with one processor, or with
// all of them sweeping, that would be after the sweep. Yielding does not help, because
// who yields stays ready.
//
// So the sweeper really waits: for a byte in a pipe that it writes itself. The only
// way for it to be woken is that the scheduler polls, and what the scheduler finds
// then are also the publishers' requests. It costs two small system calls.
type pollPoint struct {
	r, w *os.File
	raw  syscall.RawConn
	fd   uintptr // of w
}

// newPollPoint returns nil if there is no pipe to be had: then poll only yields.
func newPollPoint() *pollPoint {
	r, w, err := os.Pipe()
	if err != nil {
		return nil
	}
	p := &pollPoint{r: r, w: w}
	raw, err := r.SyscallConn()
	if err == nil {
		var out syscall.RawConn
		if out, err = w.SyscallConn(); err == nil {
			err = out.Control(func(fd uintptr) { p.fd = fd })
		}
	}
	if err != nil {
		p.close()
		return nil
	}
	p.raw = raw
	return p
}

// poll returns when the scheduler has looked at the network.
func (p *pollPoint) poll() {
	if p == nil {
		runtime.Gosched()
		return
	}
	var b [1]byte
	written := false
	p.raw.Read(func(fd uintptr) bool {
		if !written {
			written = true
			// From here on the poller listens for what comes, and here it comes.
			if _, err := syscall.Write(int(p.fd), b[:]); err != nil {
				return true
			}
			return false
		}
		syscall.Read(int(fd), b[:])
		return true
	})
}

func (p *pollPoint) close() {
	if p != nil {
		p.r.Close()
		p.w.Close()
	}
}
