package trial

import (
	"context"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
)

// A witness is an engine that records in the oracle's log what another engine has accepted. Its
// Close does nothing, so it can be used by one server after another.
type witness struct {
	engine.Engine
	log *oracle.Log
}

// newWitness returns a witness and starts a new life in the log.
func newWitness(ctx context.Context, e engine.Engine, log *oracle.Log) (*witness, error) {
	w := &witness{e, log}
	head, err := w.head(ctx, "epoch")
	if err != nil {
		return nil, err
	}
	log.Begin(head.Epoch)
	return w, nil
}

// Publish implements [engine.Engine].
func (w *witness) Publish(ctx context.Context, channel string, m engine.Message) (engine.Ack, error) {
	ack, err := w.Engine.Publish(ctx, channel, m)
	if err == nil && !ack.Duplicate {
		record(w.log, ack.Position, channel, m.Data)
	}
	return ack, err
}

// record appends a publication to the oracle's log.
func record(log *oracle.Log, at engine.Position, channel string, data []byte) {
	message, noEcho := readContent(data)
	except := ""
	if noEcho {
		except = message.Publisher
	}
	message.Channel = channel // the channel on which it was published, whatever its content says
	log.Append(at, message, except)
}

// head returns the position of the newest publication.
func (w *witness) head(ctx context.Context, channel string) (engine.Position, error) {
	h, err := w.Engine.Read(ctx, channel, engine.Position{}, engine.Limit{})
	return h.Head, err
}

// Close does nothing; end closes the engine.
func (w *witness) Close() error { return nil }

func (w *witness) end() { w.Engine.Close() }
