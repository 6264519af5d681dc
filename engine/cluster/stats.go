package cluster

import (
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// counters count what the engine has done since it was opened.
type counters struct {
	retries, late, filled, coldReads, resets, consumerErrors atomic.Uint64

	last atomic.Uint64 // the last sequence of the stream at the last look
}

// A Status describes the engine's connection to the cluster.
type Status struct {
	Epoch   uint64  // of the stream
	At      uint64  // sequence of the stream that this node has read
	Last    uint64  // last sequence of the stream at the last look
	Silence float64 // seconds since the node has last seen its own beat: about a second, if all is well

	Isolated bool // see IsolatedAfter

	// Counters since the engine was opened.
	Retries   uint64 // attempts to publish that were repeated
	Late      uint64 // messages that were acknowledged before this node had them
	Filled    uint64 // messages that were read directly because the consumer was silent
	ColdReads uint64 // reads that the servers had to answer
	Resets    uint64 // times that all clients got a gap
	Restarts  uint64 // times that the consumer has begun again
}

// Status returns how the engine is.
func (e *Engine) Status() Status {
	now := clock.Now()
	silence := e.health.silence(now)
	e.life.RLock()
	epoch := e.epoch
	e.life.RUnlock()
	e.health.mu.Lock()
	isolated := e.health.isolated
	e.health.mu.Unlock()
	c := &e.counters
	at := e.tail.at.Load()
	return Status{
		Epoch: epoch, At: at, Last: max(c.last.Load(), at), Silence: silence.Seconds(), Isolated: isolated,
		Retries: c.retries.Load(), Late: c.late.Load(), Filled: c.filled.Load(), ColdReads: c.coldReads.Load(),
		Resets: c.resets.Load(), Restarts: c.consumerErrors.Load(),
	}
}

// Stats implements [engine.Stater]. It describes what this node has in memory.
func (e *Engine) Stats() engine.Stats { return e.table.Stats() }
