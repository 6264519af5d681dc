package disk

import (
	"context"
	"errors"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// lostPositions checks that the positions of lost messages are refused.
func (d *model) lostPositions(name string) {
	for o := range d.logs[name].lost {
		_, err := d.e.Read(context.Background(), name, engine.Position{Epoch: d.epoch, Offset: o}, engine.Limit{})
		if !errors.Is(err, engine.ErrAhead) && !errors.Is(err, engine.ErrExpired) {
			d.Fatalf("%s: the lost position %d: %v", name, o, err)
		}
		h, err := d.e.Read(context.Background(), name, engine.Position{}, engine.Limit{Before: o})
		if !errors.Is(err, engine.ErrAhead) && (err != nil || o >= h.Floor.Offset) {
			d.Fatalf("%s: before the lost position %d: %v", name, o, err)
		}
	}
}
