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
	acceptPause      = 5 * time.Millisecond // after a failed accept
)

// A Proxy is a TCP proxy between clients and a server that simulates network faults. It forwards
// until a fault is applied: with [Link.Do] to one connection, or with [Proxy.Do] to all. Its
// methods are safe for concurrent use.
type Proxy struct {
	listener net.Listener
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup // the goroutine of accept, and one per link

	mu       sync.Mutex
	backend  string        // guarded by mu
	refusing bool          // guarded by mu
	links    []*Link       // guarded by mu: the open links, oldest first
	accepted int           // guarded by mu
	changed  chan struct{} // guarded by mu: closed when links or accepted change
}

// NewProxy starts a proxy on a free port of the loopback address. backend is the server's address,
// as for net.Dial; "" means that there is no server for now.
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

// Addr returns the address for clients, as HOST:PORT.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// SetBackend sets the server for new connections. Open connections do not change. With "" there is
// no server, and new connections are reset.
func (p *Proxy) SetBackend(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.backend = addr
}

// Refuse sets whether new connections are reset at once, as if nothing listened.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = on
}

// Links returns the open connections, oldest first.
func (p *Proxy) Links() []*Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.links)
}

// Accepted returns the number of connections that were forwarded so far.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Await waits until the open connections satisfy the condition or the context ends. It returns the
// open connections.
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

// Do applies the fault to all open connections, and returns their number.
func (p *Proxy) Do(f Fault) int {
	n := 0
	for _, l := range p.Links() {
		if l.Do(f) {
			n++
		}
	}
	return n
}

// Close ends all connections and waits for the proxy's goroutines.
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
			// The client closed before it was accepted, or there are too many open files.
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

// forward connects a client to the server and forwards until the connection ends.
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
		l.Do(Fault{Kind: Cut}) // Close did not see this link
	}
	l.run()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links = slices.DeleteFunc(p.links, func(other *Link) bool { return other == l })
	p.announce()
}

// announce wakes the waiters for a change. The caller holds mu.
func (p *Proxy) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// abort closes a connection with a reset.
func abort(c *net.TCPConn) {
	c.SetLinger(0) //nolint:errcheck // it is closed either way
	c.Close()
}
