package protocol2

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// HistoryRequest is a request for a page of a channel's history (clause 7.1).
type HistoryRequest struct {
	Since  engine.Position // zero: the page begins with the oldest kept message
	Before engine.Position // zero if the request does not read backwards
	Last   int             // 0 if the request has none
	Limit  int             // from 1; without effect if there is Last
	Times  bool
}

// errOnlyOne is the fault of a request with members that exclude each other.
var errOnlyOne = fault.Malformed.With("Send only one of since, before and last, and no limit with last.")

// HistoryMembers checks which members a request for history has: some exclude each other.
func HistoryMembers(since, before, last, limit bool) error {
	if last && (since || before || limit) || before && since {
		return errOnlyOne
	}
	return nil
}

// CheckHistory checks the numbers in a request over WebSocket, and which members it has.
func CheckHistory(r *wire.V2Request) error {
	for _, number := range []struct {
		member string
		value  int
	}{{"limit", r.Limit}, {"last", r.Last}} {
		if number.value > MaxPage {
			return fault.Malformed.With(fmt.Sprintf("The %s %d is not from 1 to %d.", number.member, number.value, MaxPage))
		}
	}
	return HistoryMembers(r.HasSince, r.HasBefore, r.Last > 0, r.Limit > 0)
}

// NewHistoryRequest returns the request that a client has sent over WebSocket. [CheckHistory] has
// accepted it. Error: [engine.ErrPosition].
func NewHistoryRequest(r *wire.V2Request) (h HistoryRequest, err error) {
	h = HistoryRequest{Last: r.Last, Limit: cmp.Or(r.Limit, DefaultPage), Times: r.Times}
	if r.HasSince {
		h.Since, err = Position(r.Since)
	}
	if r.HasBefore {
		h.Before, err = Position(r.Before)
	}
	return h, err
}

// Read reads the page with a function like [boreas.Hub.History] for the channel.
func (r *HistoryRequest) Read(read func(since engine.Position, limit engine.Limit) (engine.History, error)) (engine.History, error) {
	limit := engine.Limit{Messages: r.Limit, Bytes: PageBytes}
	switch {
	case r.Last > 0:
		limit.Messages, limit.Before = r.Last, math.MaxUint64
	case !r.Before.IsZero():
		return r.readBefore(read)
	}
	return read(r.Since, limit)
}

// readBefore reads the page before a position. An engine knows only its offset.
func (r *HistoryRequest) readBefore(read func(since engine.Position, limit engine.Limit) (engine.History, error)) (engine.History, error) {
	h, err := read(engine.Position{}, engine.Limit{})
	switch {
	case err != nil:
		return h, err
	case h.Head.Epoch != r.Before.Epoch:
		return h, engine.ErrUnknownEpoch
	case r.Before.Offset == 0: // the start of the first log
		return h, nil
	case r.Before.Offset == math.MaxUint64: // no message has this offset
		return h, engine.ErrAhead
	}
	h, err = read(engine.Position{}, engine.Limit{Messages: r.Limit, Bytes: PageBytes, Before: r.Before.Offset})
	if (err == nil || errors.Is(err, engine.ErrAhead)) && h.Head.Epoch != r.Before.Epoch {
		return h, engine.ErrUnknownEpoch // the log has begun anew
	}
	return h, err
}
