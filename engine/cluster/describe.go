package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
)

// Limits are what all nodes of a cluster must agree on.
type Limits struct {
	Messages  int           // publications of each channel
	Age       time.Duration // of publications
	History   int64         // bytes on each server
	KeyWindow time.Duration
	Replicas  int
}

func (l Limits) String() string {
	return fmt.Sprintf("messages=%d age=%v history=%d key_window=%v replicas=%d", l.Messages, l.Age, l.History, l.KeyWindow, l.Replicas)
}

// Drops reports whether a change to other limits may drop publications that are kept now.
func (l Limits) Drops(to Limits) bool {
	return to.Messages < l.Messages || to.Age < l.Age || to.History < l.History
}

// A Description is what the servers say about the stream of messages.
type Description struct {
	Stream  natsconn.StreamStatus
	InForce Limits // of the stream
	Wanted  Limits // by the options

	noted string // the limits in the stream's metadata
}

// Agrees reports whether the stream has the limits of the options.
func (d *Description) Agrees() bool { return d.InForce == d.Wanted && d.noted == d.Wanted.String() }

// ErrNoStream means that there is no stream of messages.
var ErrNoStream = errors.New("there is no such stream: the first node of a cluster creates it")

// Describe returns what the servers say about the stream of messages. It changes nothing. Errors:
// [ErrNoStream]; the servers cannot be reached, or the stream is not one of this program.
func Describe(ctx context.Context, o Options) (Description, error) {
	o.setDefaults()
	nc, err := o.Servers.Connect(ctx, "describe")
	if err != nil {
		return Description{}, err
	}
	defer nc.Close()
	d, _, err := describe(ctx, nc, &o)
	return d, err
}

func describe(ctx context.Context, nc *nats.Conn, o *Options) (Description, jetstream.StreamConfig, error) {
	name := newNames(&o.Servers).stream
	status, config, err := natsconn.Status(ctx, nc, name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return Description{}, config, fmt.Errorf("%s: %w", name, ErrNoStream)
	case err != nil:
		return Description{}, config, explainStream(err, name, o.Replicas)
	}
	if err := checkLayout(config); err != nil {
		return Description{}, config, err
	}
	return Description{Stream: status, InForce: limitsOf(config), Wanted: o.limits(), noted: config.Metadata[metaLimits]}, config, nil
}

// limitsOf returns the limits of a stream.
func limitsOf(c jetstream.StreamConfig) Limits {
	return Limits{
		Messages: int(c.MaxMsgsPerSubject) - 1, Age: c.MaxAge, History: c.MaxBytes, KeyWindow: c.Duplicates, Replicas: max(c.Replicas, 1),
	}
}

// Apply gives the stream of messages the limits of the options. Nodes use the new limits at once. Where
// a limit shrinks, the servers drop the publications above it. It may be repeated. Errors: those of
// [Describe]; the servers refuse the change.
func Apply(ctx context.Context, o Options) error {
	o.setDefaults()
	nc, err := o.Servers.Connect(ctx, "apply")
	if err != nil {
		return err
	}
	defer nc.Close()
	d, c, err := describe(ctx, nc, &o)
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	update := func() error {
		if _, err := js.UpdateStream(ctx, c); err != nil {
			return fmt.Errorf("change the limits: %w", explainStream(err, c.Name, o.Replicas))
		}
		return nil
	}
	c.Metadata = maps.Clone(c.Metadata)
	least := min(keptOf(c.MaxMsgsPerSubject, c.Metadata), int64(d.Wanted.Messages))
	c.Metadata[metaLeast] = strconv.FormatInt(least, 10)
	if d.Wanted.Messages < d.InForce.Messages {
		// Before the servers drop messages: nodes must know that the number of messages of a channel
		// proves less from now on.
		if err := update(); err != nil {
			return err
		}
	}
	want := d.Wanted
	c.MaxMsgsPerSubject, c.MaxAge, c.MaxBytes = int64(want.Messages)+1, want.Age, want.History
	c.Duplicates, c.Replicas = want.KeyWindow, want.Replicas
	c.Metadata[metaLimits] = want.String()
	return update()
}

// keptOf returns how many messages of a channel the stream has always kept. It may have kept fewer than
// its limit is now, and then a channel with fewer messages than the limit may have lost some.
func keptOf(perSubject int64, metadata map[string]string) int64 {
	kept := perSubject - 1
	if least, err := strconv.ParseInt(metadata[metaLeast], 10, 64); err == nil {
		kept = min(kept, least)
	}
	return kept
}
