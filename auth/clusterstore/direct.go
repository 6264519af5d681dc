package clusterstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
)

const (
	// batchSize and batchBytes bound what one request reads.
	batchSize  = 2000
	batchBytes = 4 << 20
)

// direct reads messages of a subject from a sequence on, from any server that has them, and calls take
// with each one in order. It returns the error of take as failed. The server may be behind: then there
// are fewer messages, or none, and no error.
func (s *Store) direct(ctx context.Context, subject string, seq uint64, take func(*nats.Msg) error) (failed, err error) {
	question, err := json.Marshal(map[string]any{"seq": seq, "next_by_subj": subject, "batch": batchSize, "max_bytes": batchBytes})
	if err != nil {
		return nil, err
	}
	inbox := s.nc.NewInbox()
	sub, err := s.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer sub.Unsubscribe() //nolint:errcheck // it fails only if the connection is closed
	if err := s.nc.PublishRequest("$JS.API.DIRECT.GET."+s.stream, inbox, question); err != nil {
		return nil, err
	}
	var last uint64 // messages are lost if the connection breaks
	for {
		m, err := next(ctx, sub)
		if err != nil {
			return nil, fmt.Errorf("read the stream %s: %w", s.stream, err)
		}
		if status := m.Header.Get(statusHeader); status != "" {
			switch status {
			case "204", "404":
				return nil, nil
			case "503":
				return nil, fmt.Errorf("read the stream %s: %w", s.stream, nats.ErrNoResponders)
			default:
				return nil, fmt.Errorf("read the stream %s: NATS answers %s %s", s.stream, status, m.Header.Get("Description"))
			}
		}
		if before := sequence(m.Header, lastHeader); before != last {
			return nil, fmt.Errorf("read the stream %s: messages between %d and %d were lost on the way", s.stream, last, before)
		}
		last = sequence(m.Header, seqHeader)
		if err := take(m); err != nil {
			return err, nil
		}
	}
}

func next(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}
