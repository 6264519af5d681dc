package natsconn

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// directSilence is how long a server may take until it sends the next message of a direct read.
const directSilence = 2 * time.Second

// A DirectRead reads messages of a stream in order (JetStream calls this a direct get, see its ADR-31).
// Any server that has the stream may answer, also one that is behind.
type DirectRead struct {
	Stream   string     `json:"-"`
	Seq      uint64     `json:"seq,omitempty"`        // the first sequence; not with Start
	Start    *time.Time `json:"start_time,omitempty"` // the earliest time; not with Seq
	Subject  string     `json:"next_by_subj"`         // may have wildcards
	Messages int        `json:"batch"`                // the maximum
	Bytes    int        `json:"max_bytes,omitempty"`  // about the maximum; there is always one message
}

// Do calls visit with each message, until visit returns false. It reports whether the server has no
// further message. An error comes after the messages that were read before it; among them is none that
// follows a missing one.
func (r DirectRead) Do(ctx context.Context, nc *nats.Conn, visit func(m *nats.Msg, seq uint64) bool) (end bool, err error) {
	question, err := json.Marshal(r)
	if err != nil {
		return false, err
	}
	inbox := nc.NewInbox()
	replies, err := nc.SubscribeSync(inbox)
	if err != nil {
		return false, fmt.Errorf("read the stream %s: %w", r.Stream, err)
	}
	defer replies.Unsubscribe() //nolint:errcheck // it fails only if the connection is closed
	if err := nc.PublishRequest("$JS.API.DIRECT.GET."+r.Stream, inbox, question); err != nil {
		return false, fmt.Errorf("read the stream %s: %w", r.Stream, err)
	}
	for last := uint64(0); ; {
		m, err := nextReply(ctx, replies)
		if err != nil {
			return false, fmt.Errorf("read the stream %s: %w", r.Stream, err)
		}
		status := m.Header.Get("Status")
		switch status {
		case "", "204": // a message, or the end of the answer
		case "404":
			return true, nil
		case "503":
			return false, fmt.Errorf("read the stream %s: %w", r.Stream, nats.ErrNoResponders)
		default:
			return false, fmt.Errorf("read the stream %s: the NATS server answers %s %s", r.Stream, status, m.Header.Get("Description"))
		}
		// A connection that breaks and is made again loses replies.
		if before, err := headerNumber(m, "Nats-Last-Sequence"); err != nil || before != last {
			return false, fmt.Errorf("read the stream %s: messages between %d and %d were lost on the way", r.Stream, last, before)
		}
		if status == "204" {
			left := m.Header.Get("Nats-Num-Pending")
			return left == "0" || left == "", nil
		}
		if last, err = headerNumber(m, "Nats-Sequence"); err != nil {
			return false, fmt.Errorf("read the stream %s: a message has no sequence: %w", r.Stream, err)
		}
		if !visit(m, last) {
			return false, nil
		}
	}
}

func nextReply(ctx context.Context, replies *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, directSilence)
	defer cancel()
	return replies.NextMsgWithContext(ctx)
}

func headerNumber(m *nats.Msg, name string) (uint64, error) {
	return strconv.ParseUint(m.Header.Get(name), 10, 64)
}
