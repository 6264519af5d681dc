package protocol2

import (
	"bytes"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// maxLast is the largest effective value of `last`, more than any log has. It fits into an int on
// every system.
const maxLast = 1 << 30

// Joins returns the joins that a client requests. An error in one entry becomes the result of that
// join only. The joins do not keep the request's bytes.
func Joins(channels []wire.V2Channel) []boreas.Join {
	joins := make([]boreas.Join, len(channels))
	for i, c := range channels {
		joins[i] = boreas.Join{Channel: c.Channel, Last: min(c.Last, maxLast), Watch: c.Presence, Info: bytes.Clone(c.Info)}
		switch {
		case c.Bad != "":
			joins[i].Err = fault.Malformed.With(c.Bad.Error())
		case c.HasSince:
			joins[i].Since, joins[i].Err = Position(c.Since)
		}
	}
	return joins
}

// Leaves returns the names of the channels that a client requests to leave, and the results. An
// error in one entry appears only in the result of that channel.
func Leaves(channels []wire.V2Name) (names []string, results []wire.V2Left) {
	results = make([]wire.V2Left, len(channels))
	for i, c := range channels {
		results[i].Channel = c.Channel
		if c.Bad != "" {
			f := Fault(fault.Malformed.With(c.Bad.Error()))
			results[i].Fault = &f
			continue
		}
		names = append(names, c.Channel)
	}
	return names, results
}

// Position reads a position. Error: [engine.ErrPosition].
func Position(text string) (engine.Position, error) {
	p, err := engine.ParsePosition(text)
	if err == nil && p.IsZero() {
		err = engine.ErrPosition
	}
	if err != nil {
		return engine.Position{}, err
	}
	return p, nil
}

// joinedBytes is the maximum size of the result of a join in bytes, without the name of its
// channel and the present members.
const joinedBytes = 600

// JoinedBytes returns the maximum size of the answer to joins in bytes, without the present
// members.
func JoinedBytes(joins []boreas.Join) int {
	n := ReplyBytes
	for _, j := range joins {
		n += 2*len(j.Channel) + joinedBytes
	}
	return n
}
