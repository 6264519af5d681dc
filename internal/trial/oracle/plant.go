package oracle

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/boreas-pubsub/boreas/v2"
)

// A Plant is a fault that is made on purpose, to test whether the oracle finds it.
type Plant string

// The plants.
const (
	PlantNothing Plant = ""
	PlantDrop    Plant = "drop"   // a message is removed
	PlantRepeat  Plant = "repeat" // a message is repeated
	PlantSwap    Plant = "swap"   // two messages are swapped
	PlantShift   Plant = "shift"  // a message has another position
	PlantGap     Plant = "gap"    // messages are missed, and no gap is told
	PlantAck     Plant = "ack"    // a message is acknowledged, and not kept; only for engines
)

// plants are all of them.
var plants = []Plant{PlantDrop, PlantRepeat, PlantSwap, PlantShift, PlantGap, PlantAck}

// ParsePlant parses the name of a plant.
func ParsePlant(s string) (Plant, error) {
	if p := Plant(s); p == PlantNothing || slices.Contains(plants, p) {
		return p, nil
	}
	return "", fmt.Errorf("plant %q: give one of %v", s, plants)
}

// Spoil plants the fault in one of the streams. It returns false if no stream has a place for it: two
// consecutive messages, or a gap with messages in it.
func (p Plant) Spoil(streams []*Stream, r *rand.Rand) bool {
	type spot struct {
		stream *Stream
		event  int
	}
	var spots []spot
	for _, s := range streams {
		for _, i := range p.places(s) {
			spots = append(spots, spot{s, i})
		}
	}
	if len(spots) == 0 {
		return false
	}
	at := spots[r.IntN(len(spots))]
	events := at.stream.Events
	switch p {
	case PlantNothing, PlantAck:
	case PlantDrop:
		// The next message remains, so the oracle can notice the loss.
		at.stream.Events = slices.Delete(events, at.event, at.event+1)
	case PlantRepeat:
		at.stream.Events = slices.Insert(events, at.event+1, events[at.event])
	case PlantSwap:
		events[at.event], events[at.event+1] = events[at.event+1], events[at.event]
	case PlantShift:
		events[at.event].Position.Offset++
	case PlantGap:
		at.stream.Events = slices.Delete(events, at.event, at.event+1)
	}
	return true
}

// Fits reports whether the stream has a place for the fault.
func (p Plant) Fits(s *Stream) bool { return len(p.places(s)) > 0 }

// places returns the indexes of events at which the fault can be planted.
func (p Plant) places(s *Stream) (all []int) {
	for i := 1; i < len(s.Events); i++ {
		if p.fits(s.Events[i-1], s.Events[i]) {
			all = append(all, i-1)
		}
	}
	return all
}

// fits reports whether the fault can be planted at the first of two consecutive events.
func (p Plant) fits(first, second Event) bool {
	switch p {
	case PlantShift:
		return first.Kind == Got && !first.Position.IsZero()
	case PlantGap:
		// With this reason there are always messages in the gap. The next message shows that they are
		// missing.
		return first.Kind == Missed && first.Gap.Reason == boreas.GapExpired && second.Kind == Got
	}
	return first.Kind == Got && second.Kind == Got
}
