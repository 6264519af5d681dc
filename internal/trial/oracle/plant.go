package oracle

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// A Plant is a fault that is made on purpose, to test whether the oracle finds it.
type Plant string

// The plants.
const (
	PlantNothing Plant = ""
	PlantDrop    Plant = "drop"   // a message is removed
	PlantRepeat  Plant = "repeat" // a message is repeated
	PlantSwap    Plant = "swap"   // two messages are swapped
)

// ParsePlant parses the name of a plant.
func ParsePlant(s string) (Plant, error) {
	if p := Plant(s); slices.Contains([]Plant{PlantNothing, PlantDrop, PlantRepeat, PlantSwap}, p) {
		return p, nil
	}
	return "", fmt.Errorf("plant %q: give %s, %s or %s", s, PlantDrop, PlantRepeat, PlantSwap)
}

// Spoil plants the fault in one of the streams. It returns false if no stream has two consecutive
// messages.
func (p Plant) Spoil(streams []*Stream, r *rand.Rand) bool {
	type spot struct {
		stream *Stream
		event  int
	}
	var spots []spot
	for _, s := range streams {
		for i := 1; i < len(s.Events); i++ {
			if s.Events[i-1].Kind == Got && s.Events[i].Kind == Got {
				spots = append(spots, spot{s, i - 1})
			}
		}
	}
	if len(spots) == 0 {
		return false
	}
	at := spots[r.IntN(len(spots))]
	events := at.stream.Events
	switch p {
	case PlantNothing:
	case PlantDrop:
		// The next message remains, so the oracle can notice the loss.
		at.stream.Events = slices.Delete(events, at.event, at.event+1)
	case PlantRepeat:
		at.stream.Events = slices.Insert(events, at.event+1, events[at.event])
	case PlantSwap:
		events[at.event], events[at.event+1] = events[at.event+1], events[at.event]
	}
	return true
}
