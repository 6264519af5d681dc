package boreastest

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A FaultKind is a kind of network fault.
type FaultKind uint8

// The faults of a [Link].
const (
	// Cut closes both sides in order, like a proxy that is restarted.
	Cut FaultKind = iota
	// Reset aborts both sides: the peers see "connection reset".
	Reset
	// Stall forwards nothing. Bytes wait in the proxy, and when its buffers are full, in the
	// sender.
	Stall
	// Slow forwards Fault.Rate bytes per second.
	Slow
	// Delay delays each piece by Fault.Wait.
	Delay
	// HalfOpen discards all bytes and the end of the stream, but keeps the connection, as if the
	// peer had disappeared silently. It lasts until the connection ends and ignores Fault.For,
	// because the stream is already incomplete.
	HalfOpen
)

// FaultKinds returns all kinds of faults.
func FaultKinds() []FaultKind { return []FaultKind{Cut, Reset, Stall, Slow, Delay, HalfOpen} }

func (k FaultKind) String() string {
	names := []string{"cut", "reset", "stall", "slow", "delay", "half-open"}
	if int(k) >= len(names) {
		return fmt.Sprintf("fault %d", uint8(k))
	}
	return names[k]
}

// A Direction selects the bytes of a connection that a fault affects.
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

// A Fault is a network fault of a connection.
type Fault struct {
	Kind FaultKind

	// Direction is ignored by Cut and Reset.
	Direction Direction

	// For is how long Stall, Slow and Delay last; 0 means until [Link.Heal].
	For time.Duration

	// Rate is how many bytes per second Slow forwards; 0 means 1,000.
	Rate int

	// Wait is how long Delay delays a piece.
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

// RandomFault returns a random fault that lasts at most longest, which must be positive. It depends
// only on r and longest, so that the same seed gives the same faults.
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
