//go:build unix

package netpoll

import (
	"os"
	"runtime"
	"syscall"
)

// A Point makes Go's scheduler poll the network. One goroutine at a time may use it. A nil Point
// only yields.
type Point struct {
	r, w *os.File
	raw  syscall.RawConn
	fd   uintptr // of w
}

// New returns a Point, or nil if the process has no descriptors left for a pipe.
func New() *Point {
	r, w, err := os.Pipe()
	if err != nil {
		return nil
	}
	p := &Point{r: r, w: w}
	raw, err := r.SyscallConn()
	if err == nil {
		var out syscall.RawConn
		if out, err = w.SyscallConn(); err == nil {
			err = out.Control(func(fd uintptr) { p.fd = fd })
		}
	}
	if err != nil {
		p.Close()
		return nil
	}
	p.raw = raw
	return p
}

// Poll returns once the scheduler has polled the network.
func (p *Point) Poll() {
	if p == nil {
		runtime.Gosched()
		return
	}
	var b [1]byte
	written := false
	p.raw.Read(func(fd uintptr) bool {
		if !written {
			written = true
			// From here on the scheduler waits for the pipe, and this makes the pipe readable.
			if _, err := syscall.Write(int(p.fd), b[:]); err != nil {
				return true
			}
			return false
		}
		syscall.Read(int(fd), b[:])
		return true
	})
}

// Close releases the pipe.
func (p *Point) Close() {
	if p != nil {
		p.r.Close()
		p.w.Close()
	}
}
