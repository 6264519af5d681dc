package clusterstore

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
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
	r := natsconn.DirectRead{Stream: s.stream, Seq: seq, Subject: subject, Messages: batchSize, Bytes: batchBytes}
	_, err = r.Do(ctx, s.nc, func(m *nats.Msg, _ uint64) bool {
		failed = take(m)
		return failed == nil
	})
	return failed, err
}
