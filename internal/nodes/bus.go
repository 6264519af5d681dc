package nodes

import (
	"context"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
)

// bus carries messages between nodes. It may lose messages. Subjects have no prefix.
type bus interface {
	// publish sends data to the subscribers of the subject. It does not wait for them.
	publish(subject string, data []byte) error

	// subscribe calls deliver for each message on matching subjects, one after the other.
	subscribe(subject string, deliver func(subject string, data []byte)) error

	// flush waits until earlier subscriptions are in effect, and earlier messages have been sent, for at most
	// flushTimeout.
	flush(ctx context.Context) error

	// maxPayload returns the maximum length of a message in bytes.
	maxPayload() int

	close()
}

// Bounds of the messages that wait for a subscriber in this process. Over them NATS drops messages
// and the connection says so in the log.
const (
	maxPending      = 64 << 10
	maxPendingBytes = 32 << 20
)

// natsBus is the bus over core NATS.
type natsBus struct {
	names natsconn.Options
	nc    *nats.Conn
}

func (b *natsBus) publish(subject string, data []byte) error {
	return b.nc.Publish(b.names.Subject(subject), data)
}

func (b *natsBus) subscribe(subject string, deliver func(subject string, data []byte)) error {
	prefix := b.names.Subject("")
	s, err := b.nc.Subscribe(b.names.Subject(subject), func(m *nats.Msg) {
		deliver(strings.TrimPrefix(m.Subject, prefix), m.Data)
	})
	if err != nil {
		return err
	}
	return s.SetPendingLimits(maxPending, maxPendingBytes)
}

func (b *natsBus) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	return b.nc.FlushWithContext(ctx)
}

func (b *natsBus) maxPayload() int { return int(b.nc.MaxPayload()) }
func (b *natsBus) close()          { b.nc.Close() }
