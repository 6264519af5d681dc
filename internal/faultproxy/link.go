package faultproxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// linkBuffer is the receive buffer of a link's sockets, in bytes. It is small, so that the
	// sender soon notices a stall.
	linkBuffer = 8 << 10

	// linkPiece is the largest number of bytes read at once.
	linkPiece = 16 << 10

	defaultRate = 1000 // bytes per second
	slowSteps   = 20   // pieces per second on a slow link
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

// Do applies a failure to the connection. It replaces an earlier failure of the same direction.
// Do returns false if the connection has already ended.
func (l *Link) Do(f Failure) bool {
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

// Heal removes the failures, except HalfOpen, which lasts until the connection ends.
func (l *Link) Heal() {
	l.toServer.set(nil, time.Time{})
	l.toClient.set(nil, time.Time{})
}

// Done is closed when the connection has ended on both sides.
func (l *Link) Done() <-chan struct{} { return l.ended }

// run forwards in both directions until the connection has ended.
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
	failure *Failure      // guarded by mu; nil if none
	until   time.Time     // guarded by mu: when the failure ends; zero if only Heal ends it
	changed chan struct{} // guarded by mu: closed when the failure is replaced
}

func (p *pipe) set(f *Failure, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure != nil && p.failure.Kind == HalfOpen {
		return
	}
	p.failure, p.until = f, until
	close(p.changed)
	p.changed = make(chan struct{})
}

// now returns the active failure, or the zero Failure if there is none. (Its Kind is Cut, which is never
// active: Do carries it out at once.)
func (p *pipe) now() (f Failure, until time.Time, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure != nil && !p.until.IsZero() && !time.Now().Before(p.until) {
		p.failure = nil
	}
	if p.failure == nil {
		return Failure{}, time.Time{}, p.changed
	}
	return *p.failure, p.until, p.changed
}

// run forwards until one side has ended and the end has been passed on.
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

// gate waits while the direction is stalled. It returns the failure that is active afterwards, and
// false if the link has ended.
func (p *pipe) gate() (f Failure, changed <-chan struct{}, ok bool) {
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

// wait waits until the time, if it is not zero, or until changed is closed. It returns
// false if the link has ended.
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

// pass forwards a piece under the failure that is active at each moment.
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

// close passes on the end of the direction. An orderly end leaves the other direction open; a broken
// connection is reset on both sides. A half-open link does not pass the end on.
func (p *pipe) close(err error) {
	f, _, ok := p.gate()
	if !ok {
		return
	}
	switch {
	case f.Kind == HalfOpen:
		return
	case errors.Is(err, io.EOF):
		p.to.CloseWrite() //nolint:errcheck // the other pipe notices a broken connection
	default:
		p.link.end(true)
	}
}
