package ws

import (
	"sync"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/internal/socket"
)

// workers are the goroutines on whose stacks bytes from clients are taken apart:
// as many as there are connections, but at most max. So they come with the first
// connections and go with the last, and need no other end.
type workers struct {
	max   int64
	conns atomic.Int64
	jobs  chan *job
	pool  sync.Pool
}

// job is one read of one connection.
type job struct {
	c    *conn
	b    *socket.Buffer
	over chan bool
}

func (w *workers) init(max int) {
	w.max = int64(max)
	w.jobs = make(chan *job)
	w.pool.New = func() any { return &job{over: make(chan bool)} }
}

// open makes room for one more connection.
func (w *workers) open() {
	if w.conns.Add(1) <= w.max {
		go w.run()
	}
}

// close takes the room back.
func (w *workers) close() {
	if w.conns.Add(-1) < w.max {
		w.jobs <- nil
	}
}

// do gives the buffer's bytes to a worker, waits until it has carried out what
// they say, and releases the buffer. It returns true when nothing
// more needs to be read from the connection.
func (w *workers) do(c *conn, b *socket.Buffer) (over bool) {
	j := w.pool.Get().(*job)
	j.c, j.b = c, b
	w.jobs <- j
	over = <-j.over
	j.c, j.b = nil, nil
	w.pool.Put(j)
	b.Release()
	return over
}

// instead runs a function that may wait for another machine, on a worker. Another worker takes
// its place meanwhile, so that clients with slow tokens do not delay others.
func (w *workers) instead(run func()) {
	go w.run()
	defer func() { w.jobs <- nil }() // even if it panics
	run()
}

func (w *workers) run() {
	in := new(inbound)
	for j := range w.jobs {
		if j == nil {
			return
		}
		j.over <- j.c.takeGuarded(j.b.Bytes(), in)
	}
}
