package boreastest

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// linkBuffer is the size of a link's receive buffers. It is small, so that a stall soon blocks
	// the sender.
	linkBuffer = 8 << 10

	// linkPiece is the maximum size of one read.
	linkPiece = 16 << 10

	defaultRate = 1000 // bytes per second
	slowSteps   = 20   // pieces per second of a slow link
)

// A Link is one connection through a [Proxy].
type Link struct {
	client, server *net.TCPConn
	toServer       *pipe
	toClient       *pipe

	endOnce sync.Once
	ended   chan struct{}
}

func newLink(client, server *net.TCPConn) *Link {
	l := &Link{client: client, server: server, ended: make(chan struct{})}
	client.SetReadBuffer(linkBuffer) //nolint:errcheck // a hint
	server.SetReadBuffer(linkBuffer) //nolint:errcheck // a hint
	l.toServer = &pipe{from: client, to: server, link: l, changed: make(chan struct{})}
	l.toClient = &pipe{from: server, to: client, link: l, changed: make(chan struct{})}
	return l
}

// Do applies a fault to the connection. It replaces the current fault of the same directions. It
// returns false if the connection has already ended.
func (l *Link) Do(f Fault) bool {
	select {
	case <-l.ended:
		return false
	default:
	}
	switch f.Kind {
	case Cut:
		l.end(false)
		return true
	case Reset:
		l.end(true)
		return true
	}
	var until time.Time
	if f.For > 0 && f.Kind != HalfOpen {
		until = time.Now().Add(f.For)
	}
	if f.Rate <= 0 {
		f.Rate = defaultRate
	}
	if f.Direction != ToClient {
		l.toServer.set(&f, until)
	}
	if f.Direction != ToServer {
		l.toClient.set(&f, until)
	}
	return true
}

// Heal removes all faults except HalfOpen.
func (l *Link) Heal() {
	l.toServer.set(nil, time.Time{})
	l.toClient.set(nil, time.Time{})
}

// Done returns a channel that is closed when the connection has ended on both sides.
func (l *Link) Done() <-chan struct{} { return l.ended }

// run forwards in both directions until the connection ends.
func (l *Link) run() {
	var both sync.WaitGroup
	both.Go(l.toServer.run)
	both.Go(l.toClient.run)
	both.Wait()
	l.end(false)
}

func (l *Link) end(reset bool) {
	l.endOnce.Do(func() {
		close(l.ended)
		if reset {
			abort(l.client)
			abort(l.server)
			return
		}
		l.client.Close()
		l.server.Close()
	})
}

// pipe is one direction of a link.
type pipe struct {
	from, to *net.TCPConn
	link     *Link

	mu      sync.Mutex
	fault   *Fault        // guarded by mu; nil if there is none
	until   time.Time     // guarded by mu: when the fault ends; zero if it does not by itself
	changed chan struct{} // guarded by mu: closed when the fault is replaced
}

func (p *pipe) set(f *Fault, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault != nil && p.fault.Kind == HalfOpen {
		return
	}
	p.fault, p.until = f, until
	close(p.changed)
	p.changed = make(chan struct{})
}

// now returns the active fault, or the zero Fault if there is none.
func (p *pipe) now() (f Fault, until time.Time, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault != nil && !p.until.IsZero() && !time.Now().Before(p.until) {
		p.fault = nil
	}
	if p.fault == nil {
		return Fault{}, time.Time{}, p.changed
	}
	return *p.fault, p.until, p.changed
}

// run forwards bytes until one side has ended, and passes the end on to the other side.
func (p *pipe) run() {
	buf := make([]byte, linkPiece)
	for {
		if _, _, ok := p.gate(); !ok {
			return
		}
		n, err := p.from.Read(buf)
		if n > 0 && !p.pass(buf[:n]) {
			return
		}
		if err != nil {
			p.close(err)
			return
		}
	}
}

// gate waits while the direction is stalled, and returns the active fault. It returns false if the
// link has ended.
func (p *pipe) gate() (f Fault, changed <-chan struct{}, ok bool) {
	for {
		f, until, changed := p.now()
		if f.Kind != Stall {
			return f, changed, true
		}
		if !p.wait(until, changed) {
			return f, nil, false
		}
	}
}

// wait waits until the given time, if it is not zero, or until changed is closed. It returns false
// if the link has ended.
func (p *pipe) wait(until time.Time, changed <-chan struct{}) bool {
	var over <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-changed:
	case <-p.link.ended:
		return false
	}
	return true
}

// pass forwards a piece, subject to the active faults. It returns false if the link has ended.
func (p *pipe) pass(piece []byte) bool {
	delayed := false
	for len(piece) > 0 {
		f, changed, ok := p.gate()
		if !ok {
			return false
		}
		n := len(piece)
		switch {
		case f.Kind == HalfOpen:
			return true
		case f.Kind == Delay && !delayed:
			delayed = true
			if !p.wait(time.Now().Add(f.Wait), changed) {
				return false
			}
			continue
		case f.Kind == Slow:
			n = min(n, max(1, f.Rate/slowSteps))
			if !p.wait(time.Now().Add(time.Duration(n)*time.Second/time.Duration(f.Rate)), changed) {
				return false
			}
		}
		if _, err := p.to.Write(piece[:n]); err != nil {
			p.link.end(true)
			return false
		}
		piece = piece[n:]
	}
	return true
}

// close passes the end of the direction on. An orderly end leaves the other direction open; a reset
// resets both sides. A half-open link does neither.
func (p *pipe) close(err error) {
	f, _, ok := p.gate()
	if !ok {
		return
	}
	switch {
	case f.Kind == HalfOpen:
		return
	case errors.Is(err, io.EOF):
		p.to.CloseWrite() //nolint:errcheck // if the socket is closed, the other pipe knows it
	default:
		p.link.end(true)
	}
}
