package cluster

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// headerOrigin is the position that an imported message had in the log that it comes from.
const headerOrigin = "Boreas-Origin"

// An Imported is a message of another log.
type Imported struct {
	Channel string
	Origin  engine.Position // in the other log
	Data    []byte
}

// Import publishes messages of another log. Messages of one channel keep their order. It repeats each as
// [Engine.Publish] does. If it fails, some of the messages are kept, and [Engine.LastImport] tells for
// each channel how far it came. Errors: those of Publish.
func (e *Engine) Import(ctx context.Context, items []Imported) error {
	requests := make([]*request, len(items))
	before := make(map[string]int)
	finish := func(i int) error {
		if requests[i] == nil {
			return nil
		}
		_, err := e.finish(ctx, requests[i], clock.Now())
		requests[i] = nil
		if err != nil {
			return fmt.Errorf("copy the message %v of the channel %q: %w", items[i].Origin, items[i].Channel, err)
		}
		return nil
	}
	for i, item := range items {
		if j, ok := before[item.Channel]; ok {
			if err := finish(j); err != nil {
				return err
			}
		}
		before[item.Channel] = i
		m := engine.Message{Data: item.Data}
		if err := e.checkSize(item.Channel, m); err != nil {
			return fmt.Errorf("copy the message %v of the channel %q: %w", item.Origin, item.Channel, err)
		}
		requests[i] = e.newRequest(item.Channel, m)
		requests[i].origin = item.Origin.String()
		e.send(requests[i])
	}
	for i := range requests {
		if err := finish(i); err != nil {
			return err
		}
	}
	return nil
}

// LastImport returns the offset of the last message of a channel that was imported from the log with the
// epoch and is still kept, or 0.
func (e *Engine) LastImport(ctx context.Context, channel string, epoch uint64) (uint64, error) {
	subject := e.names.channel + natsconn.Encode(channel)
	last := uint64(0)
	for next := uint64(1); ; {
		n := 0
		end, err := e.direct(ctx, natsconn.DirectRead{Seq: next, Subject: subject, Messages: directBatch, Bytes: directBytes}, func(a *arrival) bool {
			n++
			next = a.seq + 1
			if p, err := engine.ParsePosition(a.header.Get(headerOrigin)); err == nil && p.Epoch == epoch {
				last = max(last, p.Offset)
			}
			return true
		})
		if err != nil {
			return 0, unavailable("look for messages that were copied before", err)
		}
		if end || n == 0 {
			return last, e.lateImport(ctx, subject, next-1)
		}
	}
}

// lateImport returns an error if the replica that was read is late.
func (e *Engine) lateImport(ctx context.Context, subject string, offset uint64) error {
	if err := e.checkLate(ctx, subject, offset); err != nil {
		return unavailable("look for messages that were copied before: repeat the command", err)
	}
	return nil
}

// CountChannels returns how many channels have messages on the servers. It may return fewer if there
// are many thousands.
func (e *Engine) CountChannels(ctx context.Context) (int, error) {
	s, err := e.streamState(ctx, e.names.all)
	if err != nil {
		return 0, unavailable("count the channels", err)
	}
	n := 0
	for subject := range s.Subjects {
		if _, ok := e.names.channelOf(subject); ok {
			n++
		}
	}
	return n, nil
}

// setOrigin adds the origin of an imported message to its headers.
func (r *request) setOrigin(h nats.Header) {
	if r.origin != "" {
		h[headerOrigin] = []string{r.origin}
	}
}
