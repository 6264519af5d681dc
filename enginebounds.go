package boreas

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// Defaults of the limits on calls of the engine; see [Options].
const (
	DefaultEngineTimeout = 5 * time.Second
	DefaultEngineCalls   = 1024
)

// maxStops is the maximum number of stop functions that run at the same time.
const maxStops = 64

// An EnginePanicError is returned by a call during which the engine panicked. The engine may no
// longer work.
type EnginePanicError struct {
	Value any    // the value of the panic
	Stack []byte // of the goroutine that panicked
}

// Error returns the panic's value.
func (e *EnginePanicError) Error() string {
	return fmt.Sprintf("boreas: the engine panicked: %v", e.Value)
}

// caller is the kind of caller for which the engine is called. Backends and sessions have separate
// places, so that they do not use up each other's.
type caller int

const (
	forBackend caller = iota
	forSession
	forCatchUp // a session that catches up: no client waits for an answer, so it can wait for a place
)

// engineBounds limits the calls of an engine that may wait for a disk or for another machine: how
// many are under way, and how long each takes, even if the engine ignores its context. Each call
// runs in a goroutine of its own, so that the caller can give up.
type engineBounds struct {
	timeout          time.Duration
	backend, session chan struct{} // have one value for each call under way
	stops            stops

	busy, late, panics atomic.Uint64 // calls that failed, by cause
}

func (b *engineBounds) init(o *Options) {
	b.timeout = cmp.Or(o.EngineTimeout, DefaultEngineTimeout)
	n := cmp.Or(o.EngineCalls, DefaultEngineCalls)
	b.backend, b.session = make(chan struct{}, n), make(chan struct{}, n)
	b.stops.panics = &b.panics
}

// begin takes a place for a call, or returns [ErrEngineBusy].
func (b *engineBounds) begin(ctx context.Context, c caller) (places chan struct{}, _ error) {
	if places = b.session; c == forBackend {
		places = b.backend
	}
	select {
	case places <- struct{}{}:
		return places, nil
	default:
	}
	if c != forCatchUp {
		b.busy.Add(1)
		return nil, ErrEngineBusy
	}
	select {
	case places <- struct{}{}:
		return places, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// bounded calls the engine. If the caller gives up before the call ends, bounded passes a later
// result to late.
func bounded[T any](ctx context.Context, h *Hub, c caller, call func(context.Context) (T, error), late func(T)) (T, error) {
	var none T
	b := &h.bounds
	if !h.calls.enter() { // leave is called when the call ends, which may be after bounded has returned
		return none, engine.ErrClosed
	}
	places, err := b.begin(ctx, c)
	if err != nil {
		h.calls.leave()
		return none, err
	}
	type result struct {
		value T
		err   error
	}
	limited, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	results, left := make(chan result), make(chan struct{})
	defer close(left)
	go func() {
		defer h.calls.leave()
		var r result
		r.value, r.err = guarded(&b.panics, func() (T, error) { return call(limited) })
		<-places
		select {
		case results <- r:
		case <-left:
			if r.err == nil && late != nil {
				late(r.value)
			}
		}
	}()
	var r result
	select {
	case r = <-results:
	case <-limited.Done():
		r.err = limited.Err()
	}
	return r.value, b.ended(ctx, r.err)
}

// inPlace calls a punctual engine on the caller's goroutine. It has the limits of bounded. The caller
// has entered the gate.
func inPlace[T any](ctx context.Context, h *Hub, c caller, call func(context.Context) (T, error)) (T, error) {
	b := &h.bounds
	places, err := b.begin(ctx, c)
	if err != nil {
		var none T
		return none, err
	}
	defer func() { <-places }()
	limited, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)() // Shutdown waits for the call
	value, err := guarded(&b.panics, func() (T, error) { return call(limited) })
	return value, b.ended(ctx, err)
}

// ended returns the error of a call, which is [ErrEngineTimeout] after the hub's own timeout.
func (b *engineBounds) ended(ctx context.Context, err error) error {
	if tooLate(ctx, err) {
		b.late.Add(1)
		return ErrEngineTimeout
	}
	return err
}

// tooLate reports whether a call has failed because of the hub's own timeout.
func tooLate(ctx context.Context, err error) bool {
	return errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
}

// guarded turns a panic of the engine into an error. The hub holds no lock while it calls the
// engine, so the hub's state stays consistent.
func guarded[T any](panics *atomic.Uint64, call func() (T, error)) (value T, err error) {
	defer func() {
		if v := recover(); v != nil {
			panics.Add(1)
			err = &EnginePanicError{v, debug.Stack()}
		}
	}()
	return call()
}

// delivery is a follower whose deliveries can end before the engine stops them.
type delivery struct {
	mu sync.Mutex
	to engine.Follower // nil after end
}

// Deliver implements [engine.Follower].
func (d *delivery) Deliver(p *engine.Publication) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.to != nil {
		d.to.Deliver(p)
	}
}

// Reset implements [engine.Follower].
func (d *delivery) Reset(head engine.Position, reason error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.to != nil {
		d.to.Reset(head, reason)
	}
}

// end ends the deliveries. After it has returned, the follower is not called again.
func (d *delivery) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = nil
}

// stopWait is how long the last subscriber that leaves a channel waits for the engine's stop.
const stopWait = 50 * time.Millisecond

// stops runs the stop functions of an engine that may wait, in a bounded number of goroutines.
type stops struct {
	panics *atomic.Uint64 // immutable

	mu    sync.Mutex // guards the fields below
	queue []stopping
	busy  int           // number of goroutines
	stuck bool          // a stop function took longer than stopWait: until all have returned, callers do not wait
	idle  chan struct{} // closed when busy becomes 0; nil if await is not waiting
}

// stopping is a stop function, and a channel that is closed when it has returned.
type stopping struct {
	stop func()
	done chan struct{}
}

// call runs stop, and waits at most stopWait for it, because pings and sweeps must not wait for an
// engine.
func (s *stops) call(stop func()) {
	done := s.add(stop)
	s.mu.Lock()
	stuck := s.stuck
	s.mu.Unlock()
	if stuck {
		return
	}
	timer := time.NewTimer(stopWait)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		s.mu.Lock()
		s.stuck = s.busy > 0
		s.mu.Unlock()
	}
}

// add queues stop. It returns a channel that is closed when stop has returned.
func (s *stops) add(stop func()) (done chan struct{}) {
	done = make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, stopping{stop, done})
	if s.busy < maxStops {
		s.busy++
		go s.run()
	}
	return done
}

func (s *stops) run() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.queue = nil
			if s.busy--; s.busy == 0 {
				s.stuck = false
				if s.idle != nil {
					close(s.idle)
					s.idle = nil
				}
			}
			s.mu.Unlock()
			return
		}
		next := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		guarded(s.panics, func() (struct{}, error) { next.stop(); return struct{}{}, nil })
		close(next.done)
	}
}

// await waits until all stop functions have returned.
func (s *stops) await() {
	s.mu.Lock()
	if s.busy == 0 {
		s.mu.Unlock()
		return
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	idle := s.idle
	s.mu.Unlock()
	<-idle
}
