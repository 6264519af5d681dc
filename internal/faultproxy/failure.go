package faultproxy

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A Kind is a way in which a network fails a connection.
type Kind uint8

// The kinds of failure.
const (
	// Cut closes both sides in order, like a proxy that restarts.
	Cut Kind = iota
	// Reset aborts both sides: the peers see "connection reset".
	Reset
	// Stall forwards nothing. Data waits, and finally the sender blocks.
	Stall
	// Slow forwards Failure.Rate bytes per second.
	Slow
	// Delay holds each piece back for Failure.Wait.
	Delay
	// HalfOpen discards all data, including the end of the stream, and keeps the connection
	// open, like a peer that lost power. It lasts until the connection ends and ignores
	// Failure.For, because a stream with a hole in it cannot continue.
	HalfOpen
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Cut, Reset, Stall, Slow, Delay, HalfOpen} }

func (k Kind) String() string {
	names := []string{"cut", "reset", "stall", "slow", "delay", "half-open"}
	if int(k) >= len(names) {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return names[k]
}

// A Direction selects the bytes of a connection that a failure affects.
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

// A Failure describes a network failure of a connection.
type Failure struct {
	Kind Kind

	// Direction is not used by Cut and Reset.
	Direction Direction

	// For is how long Stall, Slow and Delay last; 0 means until [Link.Heal].
	For time.Duration

	// Rate is the number of bytes per second that Slow forwards; 0 means 1,000.
	Rate int

	// Wait is how long Delay holds each piece back.
	Wait time.Duration
}

func (f Failure) String() string {
	text := f.Kind.String()
	if f.Kind == Cut || f.Kind == Reset {
		return text
	}
	text += " " + f.Direction.String()
	if f.Kind == Slow {
		text += fmt.Sprintf(" at %d bytes per second", f.Rate)
	}
	if f.Kind == Delay {
		text += fmt.Sprintf(" of %v", f.Wait)
	}
	if f.For > 0 && f.Kind != HalfOpen {
		text += fmt.Sprintf(" for %v", f.For)
	}
	return text
}

// Random returns a failure of a random kind that lasts at most longest, which must be positive. The
// result depends on r and longest only, so the same seed repeats the same failures.
func Random(r *rand.Rand, longest time.Duration) Failure {
	kinds := Kinds()
	return Failure{
		Kind:      kinds[r.IntN(len(kinds))],
		Direction: Direction(r.IntN(3)),
		For:       1 + time.Duration(r.Int64N(int64(longest))),
		Rate:      500 << r.IntN(8),
		Wait:      time.Duration(r.Int64N(int64(longest)/50 + 1)),
	}
}
