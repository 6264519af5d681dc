package boreastest

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A FaultKind is something that a network does to a connection.
type FaultKind uint8

// The faults that a [Link] can be given.
const (
	// Cut closes both sides in order, as a proxy does that is restarted.
	Cut FaultKind = iota
	// Reset aborts both sides: the peers see "connection reset".
	Reset
	// Stall forwards nothing. What is sent waits, at last in the sender.
	Stall
	// Slow forwards Fault.Rate bytes a second.
	Slow
	// Delay holds each piece back for Fault.Wait.
	Delay
	// HalfOpen throws away what is sent, its end included, and keeps the connection: a
	// peer that is gone without a word. It lasts until the connection ends, whatever
	// Fault.For says, since a stream with a hole in it is none.
	HalfOpen
)

// FaultKinds are all of them.
func FaultKinds() []FaultKind { return []FaultKind{Cut, Reset, Stall, Slow, Delay, HalfOpen} }

func (k FaultKind) String() string {
	names := []string{"cut", "reset", "stall", "slow", "delay", "half-open"}
	if int(k) >= len(names) {
		return fmt.Sprintf("fault %d", uint8(k))
	}
	return names[k]
}

// A Direction says for which bytes of a connection a fault is.
type Direction uint8

// The directions.
const (
	BothWays Direction = iota
	ToServer
	ToClient
)

func (d Direction) String() string {
	return [...]string{"both ways", "to the server", "to the client"}[d]
}

// A Fault says what happens to a connection.
type Fault struct {
	Kind FaultKind

	// Direction is not used by Cut and Reset.
	Direction Direction

	// For is how long Stall, Slow and Delay last; 0 means until [Link.Heal].
	For time.Duration

	// Rate is how many bytes a second Slow lets through; 0 means 1,000.
	Rate int

	// Wait is how long Delay holds a piece back.
	Wait time.Duration
}

func (f Fault) String() string {
	text := f.Kind.String()
	if f.Kind == Cut || f.Kind == Reset {
		return text
	}
	text += " " + f.Direction.String()
	if f.Kind == Slow {
		text += fmt.Sprintf(" at %d bytes a second", f.Rate)
	}
	if f.Kind == Delay {
		text += fmt.Sprintf(" of %v", f.Wait)
	}
	if f.For > 0 && f.Kind != HalfOpen {
		text += fmt.Sprintf(" for %v", f.For)
	}
	return text
}

// RandomFault returns a fault of any kind that lasts at most longest, which is above 0. It depends on r
// and longest alone, so that the same seed gives the same faults again.
func RandomFault(r *rand.Rand, longest time.Duration) Fault {
	kinds := FaultKinds()
	return Fault{
		Kind:      kinds[r.IntN(len(kinds))],
		Direction: Direction(r.IntN(3)),
		For:       1 + time.Duration(r.Int64N(int64(longest))),
		Rate:      500 << r.IntN(8),
		Wait:      time.Duration(r.Int64N(int64(longest)/50 + 1)),
	}
}
