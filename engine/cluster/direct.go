package cluster

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
)

// directBatch is how many messages one direct read returns, and directBytes about how many bytes.
const (
	directBatch = 500
	directBytes = 4 << 20
)

// direct asks any replica of the stream for messages, and calls visit with each one until it returns
// false. It reports whether the replica has no further message.
func (e *Engine) direct(ctx context.Context, r natsconn.DirectRead, visit func(a *arrival) bool) (end bool, err error) {
	r.Stream = e.names.stream
	var bad error
	end, err = r.Do(ctx, e.reading, func(m *nats.Msg, seq uint64) bool {
		at, timeErr := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
		if bad = timeErr; bad != nil {
			return false
		}
		return visit(&arrival{seq, at.UnixNano(), m.Header.Get("Nats-Subject"), m.Header, m.Data, 0, ""})
	})
	if bad != nil {
		return false, fmt.Errorf("read the stream %s: a message has no time: %w", e.names.stream, bad)
	}
	return end, err
}

// firstSince returns the sequence of the first message that is not older than the time, or the
// maximum if there is none.
func (e *Engine) firstSince(ctx context.Context, t time.Time) (uint64, error) {
	first := uint64(math.MaxUint64)
	_, err := e.direct(ctx, natsconn.DirectRead{Start: &t, Subject: e.names.all, Messages: 1}, func(a *arrival) bool {
		first = a.seq
		return true
	})
	return first, err
}

// fill reads the stream directly, up to the sequence. It begins with the last message that the tail
// has, to see whether the replica has the same one.
func (e *Engine) fill(ctx context.Context, to uint64) error {
	for e.tail.at.Load() < to {
		last := e.tail.place()
		read, end, err := e.fillFrom(ctx, last)
		if read == 1 && !end && err == nil {
			// The last message alone is as large as an answer may be.
			e.tail.proveNow(last)
			read, end, err = e.fillFrom(ctx, place{seq: last.seq})
		}
		if read == 0 || end || err != nil {
			return err // a replica that is late has less; the watch asks again
		}
	}
	return nil
}

// fillFrom reads the stream directly, once, from the last message of the tail on, or after it if its
// time is 0. It returns how many messages it has read. That is 0 if the replica has another last
// message.
func (e *Engine) fillFrom(ctx context.Context, last place) (read int, end bool, err error) {
	q := natsconn.DirectRead{Seq: last.seq, Subject: e.names.all, Messages: directBatch, Bytes: cmp.Or(e.options.filled, directBytes)}
	if last.time == 0 {
		q.Seq++
	}
	same := true
	end, err = e.direct(ctx, q, func(a *arrival) bool {
		if read == 0 && last.time != 0 && (a.seq != last.seq || a.time != last.time) {
			e.tail.proveNow(last)
			if same = a.seq > last.seq; !same { // otherwise the limits of the stream may have dropped it
				return false
			}
		}
		read++
		e.take(a)
		return true
	})
	e.counters.filled.Add(uint64(read))
	return read, end, err
}
