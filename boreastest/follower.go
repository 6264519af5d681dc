package boreastest

import "github.com/boreas-pubsub/boreas/v2/engine"

// A DeliverFunc is an [engine.Follower] that passes each publication to the function. It panics
// when the engine resets the log.
type DeliverFunc func(*engine.Publication)

// Deliver implements [engine.Follower].
func (f DeliverFunc) Deliver(p *engine.Publication) { f(p) }

// Reset implements [engine.Follower].
func (f DeliverFunc) Reset(head engine.Position, reason error) {
	panic("boreastest: unexpected reset to " + head.String() + ": " + reason.Error())
}
