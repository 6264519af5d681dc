package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// directBatch is how many messages one direct read returns, and directBytes about how many bytes.
	directBatch = 500
	directBytes = 4 << 20

	// directTimeout bounds one direct read.
	directTimeout = 3 * time.Second
)

// A directQuery is a direct read: messages in order, from a sequence or a time on. Any replica may
// answer it, also one that is late.
type directQuery struct {
	Seq      uint64     `json:"seq,omitempty"`
	Start    *time.Time `json:"start_time,omitempty"`
	Subject  string     `json:"next_by_subj"`
	Batch    int        `json:"batch"`
	MaxBytes int        `json:"max_bytes,omitempty"`
}

// direct asks a replica of the stream, and calls visit with each message until it returns false. It
// reports whether the replica has no further message.
func (e *Engine) direct(ctx context.Context, q directQuery, visit func(a *arrival) bool) (end bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, directTimeout)
	defer cancel()
	question, err := json.Marshal(q)
	if err != nil {
		return false, err
	}
	inbox := e.reading.NewInbox()
	replies, err := e.reading.SubscribeSync(inbox)
	if err != nil {
		return false, err
	}
	defer replies.Unsubscribe() //nolint:errcheck // the connection is lost
	if err := e.reading.PublishRequest("$JS.API.DIRECT.GET."+e.names.stream, inbox, question); err != nil {
		return false, err
	}
	for {
		m, err := replies.NextMsgWithContext(ctx)
		if err != nil {
			return false, err
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "204": // the end of the batch; how many messages are left
			left := m.Header.Get("Nats-Num-Pending")
			return left == "0" || left == "", nil
		case "404":
			return true, nil
		default:
			return false, fmt.Errorf("the NATS server answers %s %s", status, m.Header.Get("Description"))
		}
		a, err := arrivalOf(m)
		if err != nil {
			return false, err
		}
		if !visit(a) {
			return false, nil
		}
	}
}

var errDirect = errors.New("a message that the NATS server returned has no sequence or time")

func arrivalOf(m *nats.Msg) (*arrival, error) {
	seq, err1 := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	at, err2 := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	if err1 != nil || err2 != nil {
		return nil, errDirect
	}
	return &arrival{seq, at.UnixNano(), m.Header.Get("Nats-Subject"), m.Header, m.Data, 0, ""}, nil
}

// firstSince returns the sequence of the first message that is not older than the time, or the
// maximum if there is none.
func (e *Engine) firstSince(ctx context.Context, t time.Time) (uint64, error) {
	first := uint64(math.MaxUint64)
	_, err := e.direct(ctx, directQuery{Start: &t, Subject: e.names.all, Batch: 1}, func(a *arrival) bool {
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
	q := directQuery{Seq: last.seq, Subject: e.names.all, Batch: directBatch, MaxBytes: cmp.Or(e.options.filled, directBytes)}
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
