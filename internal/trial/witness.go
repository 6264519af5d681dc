package trial

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/trial/oracle"
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
		message, noEcho := readContent(m.Data)
		except := ""
		if noEcho {
			except = message.Publisher
		}
		message.Channel = channel // the channel on which it was published, whatever its content says
		w.log.Append(ack.Position, message, except)
	}
	return ack, err
}

// head returns the position of the newest publication.
func (w *witness) head(ctx context.Context, channel string) (engine.Position, error) {
	h, err := w.Engine.Read(ctx, channel, engine.Position{}, engine.Limit{})
	return h.Head, err
}

// Close does nothing; end closes the engine.
func (w *witness) Close() error { return nil }

func (w *witness) end() { w.Engine.Close() }

// A liar is an engine with a planted bug: now and then it delivers publications wrongly. The
// witness does not see that.
type liar struct {
	engine.Engine
	plant oracle.Plant
	every int64 // the number of deliveries from one mistake to the next
	count *atomic.Int64
}

// lies is a follower with a Deliver of its own.
type lies struct {
	engine.Follower
	deliver func(*engine.Publication)
}

// Deliver implements [engine.Follower].
func (l lies) Deliver(p *engine.Publication) { l.deliver(p) }

// Follow implements [engine.Engine].
func (l *liar) Follow(ctx context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	var mu sync.Mutex
	var held *engine.Publication
	return l.Engine.Follow(ctx, channel, lies{to, func(p *engine.Publication) {
		mu.Lock()
		defer mu.Unlock()
		if held != nil {
			to.Deliver(p)
			to.Deliver(held)
			held = nil
			return
		}
		if m, _ := readContent(p.Data); m.Publisher == endPublisher || l.count.Add(1)%l.every != 0 {
			to.Deliver(p) // the last message is always delivered; otherwise all subscribers would wait for it
			return
		}
		switch l.plant {
		case oracle.PlantDrop:
		case oracle.PlantRepeat:
			to.Deliver(p)
			to.Deliver(p)
		case oracle.PlantSwap:
			held = p
		default:
			to.Deliver(p)
		}
	}})
}
