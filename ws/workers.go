package ws

import (
	"sync"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/internal/socket"
)

// workers are the goroutines that process input from clients on their stacks. There are as many as
// connections, but at most max. They start with the first connections and end with the last ones,
// so nothing else has to end them.
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

// open adds a connection.
func (w *workers) open() {
	if w.conns.Add(1) <= w.max {
		go w.run()
	}
}

// close removes a connection.
func (w *workers) close() {
	if w.conns.Add(-1) < w.max {
		w.jobs <- nil
	}
}

// do passes the buffer to a worker, waits until the worker has processed it, and releases it. It
// returns true when nothing more needs to be read from the connection.
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

// blocking runs a function that may wait, for example for another machine, on a worker. Another
// worker takes its place meanwhile, so that other clients are not delayed.
func (w *workers) blocking(run func()) {
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
		j.over <- j.c.consumeRecovering(j.b.Bytes(), in)
	}
}
