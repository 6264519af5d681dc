package faultproxy

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

// A Proxy forwards TCP connections between clients and a server, and makes them fail as
// networks do. [Link.Do] applies a failure to one connection, [Proxy.Do] to all current
// ones. Its methods are safe for concurrent use.
type Proxy struct {
	listener net.Listener
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup // accept's goroutine and one for each link

	mu       sync.Mutex
	backend  string        // guarded by mu
	refusing bool          // guarded by mu
	links    []*Link       // guarded by mu: the open links, oldest first
	accepted int           // guarded by mu
	changed  chan struct{} // guarded by mu: closed when links or accepted change
}

// New starts a proxy on a free port of the loopback address. Backend is the server's address, as
// for net.Dial. With "", new connections are reset until SetBackend is called.
func New(backend string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a proxy: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{listener: listener, ctx: ctx, cancel: cancel, backend: backend, changed: make(chan struct{})}
	p.running.Go(p.accept)
	return p, nil
}

// Addr returns the address that clients connect to, as HOST:PORT.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// SetBackend sets the server's address for new connections. Open connections stay with their
// server. With "", new connections are reset.
func (p *Proxy) SetBackend(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.backend = addr
}

// Refuse sets whether new connections are reset at once, as if nothing listened there.
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

// Accepted returns how many connections have been forwarded so far.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Await waits until the open connections satisfy the condition, or until the context
// ends. It returns the open connections.
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

// Do applies the failure to all open connections and returns their number.
func (p *Proxy) Do(f Failure) int {
	n := 0
	for _, l := range p.Links() {
		if l.Do(f) {
			n++
		}
	}
	return n
}

// Close ends all connections and returns when all goroutines of the proxy have ended.
func (p *Proxy) Close() {
	p.cancel()
	p.listener.Close()
	p.Do(Failure{Kind: Cut})
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
			// The client left before it was accepted, or there are too many open files.
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

// forward connects a client to the server and returns when the connection has ended.
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
		l.Do(Failure{Kind: Cut}) // Close ran before this link was in p.links
	}
	l.run()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links = slices.DeleteFunc(p.links, func(other *Link) bool { return other == l })
	p.announce()
}

// announce wakes the callers of Await. The caller holds mu.
func (p *Proxy) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// abort closes a connection so that its peer sees a reset.
func abort(c *net.TCPConn) {
	c.SetLinger(0) //nolint:errcheck // it is closed either way
	c.Close()
}
