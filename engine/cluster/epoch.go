package cluster

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// # The marker
//
// The marker is a message like all others, and the stream drops it when it is old. So the nodes write
// it again, with the same epoch, before that; see keepMarker. It must not outlive other messages: it
// would always be the first message of the stream, and the first message says which ones are gone.

// marker is the message with the epoch.
type marker struct {
	epoch uint64
	seq   uint64
	time  time.Time
}

// markerWait is how long a node that starts waits for the marker of a stream that has messages but no
// marker. Another node may be writing it again.
const markerWait = 2 * time.Second

// openEpoch reads the epoch, and begins a new one if the stream has none, or if it has lost messages
// that this node has seen.
func (e *Engine) openEpoch(ctx context.Context) error {
	s, err := e.settledState(ctx)
	if err != nil {
		return err
	}
	for began := clock.Now(); s.Messages > 0 && clock.Now().Sub(began) < markerWait; {
		if _, err := e.readMarker(ctx); !errors.Is(err, errNoMessage) || !e.pause(ctx, retryPause) {
			break
		}
	}
	before, _ := e.loadState()
	m, err := e.currentMarker(ctx, before.Epoch)
	if err != nil {
		return err
	}
	lost := ""
	switch {
	case m.epoch < before.Epoch:
		lost = "it is a copy of an earlier epoch"
	case m.epoch == before.Epoch:
		lost = e.lostSince(ctx, before, s, &m)
	}
	if lost != "" {
		e.log.Error("the stream has lost messages that this node has seen: a new epoch begins, and clients get a gap",
			"because", lost, "last", s.Last, "seen", before.Seq)
		if m, err = e.writeMarker(ctx, m.seq, newEpoch(max(m.epoch, before.Epoch))); err != nil {
			return unavailable("begin a new epoch of the stream", err)
		}
	}
	e.epoch, e.created = m.epoch, s.created
	e.tail.marked(m.seq, moment(m.time.UnixNano()))
	return nil
}

// settledState returns the state of the stream. If the stream is shorter than it was when this node
// ended, it asks again for a while: a leader that was just elected may not know its last messages.
func (e *Engine) settledState(ctx context.Context) (s state, err error) {
	before, _ := e.loadState()
	for began := clock.Now(); ; {
		s, err = e.streamState(ctx, "")
		if err == nil && (s.Last >= before.Seq || clock.Now().Sub(began) >= suspectFor) {
			return s, nil
		}
		if !e.pause(ctx, retryPause) {
			return s, unavailable("read the state of the stream "+e.names.stream, errors.Join(err, ctx.Err()))
		}
	}
}

// lostSince returns why the stream has lost messages that this node had seen in an earlier process, or
// "" if it has not. It may write the marker again.
func (e *Engine) lostSince(ctx context.Context, before savedState, s state, m *marker) string {
	switch {
	case s.Last < before.Seq:
		// A new message proves it, because the leader may not have all of its messages yet.
		if again, err := e.writeMarker(ctx, m.seq, m.epoch); err == nil {
			*m = again
			if again.seq > before.Seq || again.epoch != before.Epoch {
				return ""
			}
		}
		return "it is shorter"
	case !before.Created.IsZero() && !before.Created.Equal(s.created):
		return "it is a copy, or was made again"
	case before.Time == 0:
		return ""
	}
	if m, err := e.leaderGet(ctx, before.Seq); err == nil && m.Time.UnixNano() != before.Time {
		return "its last message is another one"
	}
	return ""
}

// currentMarker returns the marker. If there is none, it writes one with an epoch above the given one.
func (e *Engine) currentMarker(ctx context.Context, above uint64) (marker, error) {
	for {
		m, err := e.readMarker(ctx)
		if errors.Is(err, errNoMessage) {
			m, err = e.writeMarker(ctx, 0, newEpoch(above))
		}
		if err == nil {
			return m, nil
		}
		if !e.pause(ctx, retryPause) {
			return m, unavailable("read the epoch of the stream", err)
		}
	}
}

// readMarker asks the leader for the marker.
func (e *Engine) readMarker(ctx context.Context) (marker, error) {
	m, err := e.leaderLast(ctx, e.names.epoch)
	if err != nil {
		return marker{}, err
	}
	epoch, err := parseEpoch(m.Data)
	return marker{epoch, m.Seq, m.Time}, err
}

func parseEpoch(text []byte) (uint64, error) {
	epoch, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || epoch == 0 {
		return 0, fmt.Errorf("the epoch of the stream %.40q is not a number above 0", text)
	}
	return epoch, nil
}

// writeMarker writes a marker with the epoch, unless another node has replaced the marker before
// already. Before is the sequence of that one, or 0 if there is none. It returns the marker that is in
// force then.
func (e *Engine) writeMarker(ctx context.Context, before, epoch uint64) (marker, error) {
	m := &nats.Msg{Subject: e.names.epoch, Data: strconv.AppendUint(nil, epoch, 10)}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	// The server compares, so of several nodes one wins.
	_, err := e.publisher.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(before))
	var api *jetstream.APIError
	lost := errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
	if err != nil && !lost {
		return marker{}, err
	}
	return e.readMarker(ctx)
}

// keepMarker writes the marker again if the stream may drop it soon. The state of the stream is
// known to be that of this node's epoch.
func (e *Engine) keepMarker(ctx context.Context, s state) {
	e.tail.mu.Lock()
	at, seen := e.tail.markerAt, e.tail.markerSeen
	e.tail.mu.Unlock()
	behind := at < s.First || at-s.First < (s.Last-s.First)/2
	old := s.maxAge > 0 && clock.Now().Sub(seen) > s.maxAge/2
	if !behind && !old {
		return
	}
	epoch := e.currentEpoch()
	m, err := e.readMarker(ctx)
	switch {
	case errors.Is(err, errNoMessage):
		m = marker{}
	case err != nil || m.epoch != epoch:
		return // the next look, or the tail, handles that
	}
	if m.seq > at {
		return // another node has written it just now
	}
	if _, err := e.writeMarker(ctx, m.seq, epoch); err != nil {
		e.log.Debug("cannot write the marker of the epoch again", "error", err)
	}
}

// newEpoch returns an epoch above the given one. Its lower 24 bits are random, because other streams are
// made at the same time. The others are the hours since 1970: a node that knows no earlier epoch must not
// write a lower one. So a marker with a lower epoch than a node has seen is one of an older copy of the
// stream, whose epoch must not be in force again: the offsets after the copy would stand for other messages.
func newEpoch(above uint64) uint64 {
	var b [8]byte
	rand.Read(b[:3]) // never fails, see crypto/rand
	hours := uint64(clock.Wall().Unix() / int64(time.Hour/time.Second))
	return max(hours<<24|binary.LittleEndian.Uint64(b[:]), above+1)
}

// errNewEpoch is the reason of the reset that a new epoch causes.
var errNewEpoch = errors.New("the stream of messages has a new epoch: it was replaced, or has lost messages")

// begin makes the epoch the current one, from its marker on. The caller holds life and tail.mu.
func (e *Engine) begin(epoch, offset uint64) {
	e.epoch, e.base, e.began = epoch, offset, offset
	e.tail.marked(offset, clock.Now())
	e.tail.newest, e.tail.unproved = 0, nil
	e.table.Reset(offset, func(f engine.Follower) { f.Reset(e.position(offset), errNewEpoch) })
	e.tail.at.Store(offset)
	e.tail.wakeAll()
	e.counters.resets.Add(1)
	e.log.Error("a new epoch of the stream begins: it was replaced, or has lost messages; clients get a gap", "epoch", strconv.FormatUint(epoch, 32))
}
