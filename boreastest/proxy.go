package boreastest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	proxyDialTimeout = 5 * time.Second
	acceptPause      = 5 * time.Millisecond // after an accept that failed
)

// A Proxy stands between clients and a server, for TCP, and does to their
// connections what networks do. It forwards until it is told otherwise: faults are
// given to one connection by [Link.Do], and to all that there are by [Proxy.Do]. Its
// methods may be called by many goroutines at once.
type Proxy struct {
	listener net.Listener
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup // accept's goroutine and one for each link

	mu       sync.Mutex
	backend  string        // guarded by mu
	refusing bool          // guarded by mu
	links    []*Link       // guarded by mu: those that are up, oldest first
	accepted int           // guarded by mu
	changed  chan struct{} // guarded by mu: closed when links or accepted change
}

// NewProxy starts a proxy on a free port of the loopback address. Backend is the
// server's address, as net.Dial takes it; "" means that there is none for now.
func NewProxy(backend string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a proxy: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{listener: listener, ctx: ctx, cancel: cancel, backend: backend, changed: make(chan struct{})}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where clients connect to, as HOST:PORT.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// SetBackend says where connections go from now on; those that are up stay where they
// are. With "" there is no server: they are reset.
func (p *Proxy) SetBackend(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.backend = addr
}

// Refuse says whether new connections are reset at once, as if nobody listened.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = on
}

// Links returns the connections that are up, oldest first.
func (p *Proxy) Links() []*Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.links)
}

// Accepted returns how many connections have been forwarded so far.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Await waits until the connections that are up satisfy the condition, or the context
// ends; it returns them.
func (p *Proxy) Await(ctx context.Context, until func(up []*Link) bool) ([]*Link, error) {
	for {
		p.mu.Lock()
		up, changed := slices.Clone(p.links), p.changed
		p.mu.Unlock()
		if until(up) {
			return up, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return up, context.Cause(ctx)
		}
	}
}

// Do gives the fault to all connections that are up, and returns how many these were.
func (p *Proxy) Do(f Fault) int {
	n := 0
	for _, l := range p.Links() {
		if l.Do(f) {
			n++
		}
	}
	return n
}

// Close ends all connections and returns when nothing of the proxy runs any more.
func (p *Proxy) Close() {
	p.cancel()
	p.listener.Close()
	p.Do(Fault{Kind: Cut})
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if p.ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return
		}
		if err != nil {
			// The client was gone before it was accepted, or there are too many files.
			select {
			case <-time.After(acceptPause):
			case <-p.ctx.Done():
			}
			continue
		}
		p.mu.Lock()
		backend := p.backend
		if p.refusing {
			backend = ""
		}
		p.mu.Unlock()
		client := conn.(*net.TCPConn)
		if backend == "" {
			abort(client)
			continue
		}
		p.running.Go(func() { p.forward(client, backend) })
	}
}

// forward connects a client to the server and stays until the connection has ended.
func (p *Proxy) forward(client *net.TCPConn, backend string) {
	dialer := net.Dialer{Timeout: proxyDialTimeout, Control: likeARealNetwork}
	conn, err := dialer.DialContext(p.ctx, "tcp", backend)
	if err != nil {
		abort(client)
		return
	}
	l := newLink(client, conn.(*net.TCPConn))
	p.mu.Lock()
	p.links = append(p.links, l)
	p.accepted++
	p.announce()
	p.mu.Unlock()
	if p.ctx.Err() != nil {
		l.Do(Fault{Kind: Cut}) // Close did not see it any more
	}
	l.run()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links = slices.DeleteFunc(p.links, func(other *Link) bool { return other == l })
	p.announce()
}

// announce wakes those who wait for a change. The caller holds mu.
func (p *Proxy) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// abort closes a connection so that the peer sees a reset.
func abort(c *net.TCPConn) {
	c.SetLinger(0) //nolint:errcheck // it is closed either way
	c.Close()
}
