package boreastest

import (
	"bytes"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
)

// Conn is a session's connection, in memory. It accepts all bytes, unless Bound limits it. Its
// methods are safe for concurrent use.
type Conn struct {
	// OnWrite, if not nil, is called at the start of each TryWrite. Set it before Open.
	OnWrite func()

	// Form is the session's wire format; nil means [Text]. Set it before Open.
	Form boreas.Format

	// Guarded by mu, except finished, which is immutable after Adopt.
	mu       sync.Mutex
	session  *boreas.Session
	taken    []byte
	writes   int
	bounded  bool
	room     int // bytes that it still accepts, if bounded
	lost     error
	awaited  []byte
	arrived  chan struct{} // closed when awaited has been written
	more     chan struct{} // closed when there is room again
	finished chan struct{}
	reason   error
	said     bool
}

// Open opens a session of the hub on a new Conn with the format [Text].
func Open(hub *boreas.Hub) (*boreas.Session, *Conn, error) {
	c := new(Conn)
	s, err := c.Open(hub)
	return s, c, err
}

// Open opens a session of the hub on c.
func (c *Conn) Open(hub *boreas.Hub) (*boreas.Session, error) {
	s, err := hub.Reserve(netip.Addr{})
	if err != nil {
		return nil, err
	}
	if err := c.Adopt(s, nil); err != nil {
		s.Done()
		return nil, err
	}
	return s, nil
}

// Adopt starts a reserved session on c; see [boreas.Session.Start].
func (c *Conn) Adopt(s *boreas.Session, greeting func(id string) []byte) error {
	c.mu.Lock()
	c.more, c.finished = make(chan struct{}), make(chan struct{})
	c.session = s
	if c.Form == nil {
		c.Form = Text{}
	}
	c.mu.Unlock()
	return s.Start(c, c.Form, greeting)
}

// Session returns the session on c.
func (c *Conn) Session() *boreas.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// Bound makes the connection accept at most n further bytes.
func (c *Conn) Bound(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bounded, c.room = true, n
	c.wake()
}

// Unbound makes the connection accept all bytes again.
func (c *Conn) Unbound() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bounded = false
	c.wake()
}

// Lose makes all further writes fail with err.
func (c *Conn) Lose(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = err
	c.wake()
}

func (c *Conn) wake() {
	close(c.more)
	c.more = make(chan struct{})
}

// TryWrite implements [boreas.Conn].
func (c *Conn) TryWrite(p []byte) (int, error) {
	if c.OnWrite != nil {
		c.OnWrite()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost != nil {
		return 0, c.lost
	}
	select {
	case <-c.finished:
		panic("boreastest: TryWrite after Finish")
	default:
	}
	n := len(p)
	if c.bounded {
		n = min(n, c.room)
		c.room -= n
	}
	c.taken = append(c.taken, p[:n]...)
	if c.awaited != nil && bytes.Contains(c.taken, c.awaited) {
		close(c.arrived)
		c.awaited = nil
	}
	c.writes++
	return n, nil
}

// WaitWritable implements [boreas.Conn].
func (c *Conn) WaitWritable(d time.Duration) error {
	c.mu.Lock()
	ready, more, finished := !c.bounded || c.room > 0 || c.lost != nil, c.more, c.finished
	c.mu.Unlock()
	if ready {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-more:
		return nil
	case <-finished:
		return os.ErrClosed
	case <-timer.C:
		return os.ErrDeadlineExceeded
	}
}

// Finish implements [boreas.Conn].
func (c *Conn) Finish(reason error, said bool) {
	c.mu.Lock()
	c.reason, c.said = reason, said
	close(c.finished)
	s := c.session
	c.mu.Unlock()
	s.Done()
}

// Taken returns the bytes that have been written so far.
func (c *Conn) Taken() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.taken)
}

// Lines returns the complete lines that have been written so far.
func (c *Conn) Lines() []string {
	text := c.Taken()
	end := strings.LastIndexByte(text, '\n')
	if end < 0 {
		return nil
	}
	return strings.Split(text[:end], "\n")
}

// Await returns a channel that is closed when the text has been written. Only one text can be
// awaited at a time.
func (c *Conn) Await(text string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaited, c.arrived = []byte(text), make(chan struct{})
	if bytes.Contains(c.taken, c.awaited) {
		close(c.arrived)
		c.awaited = nil
	}
	return c.arrived
}

// Writes returns the number of writes, including those that accepted no bytes.
func (c *Conn) Writes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

// Finished returns a channel that is closed when the hub has finished the connection.
func (c *Conn) Finished() <-chan struct{} { return c.finished }

// Said reports whether the session's last message was written before the connection was finished.
func (c *Conn) Said() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said
}

// Reason returns why the session ended, or nil if it has not ended.
func (c *Conn) Reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}
