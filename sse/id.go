package sse

import (
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
)

// The id of an event is
//
//	CHECK.POSITION,POSITION,…
//
// with one position for each channel of the stream, in the order of the request. The position of a
// channel that could not be joined is empty. CHECK is a hash of the channels: it detects an id
// that is sent for other channels.

// idBase is the radix of the check in text.
const idBase = 36

// errID refuses an id that does not belong to a stream with these channels.
var errID = fault.BadPosition.With("The last event id does not belong to a stream of these channels in this order.")

// checkOf returns CHECK for a list of channels. It is the same on all servers.
func checkOf(channels []string) uint32 {
	h := fnv.New32a()
	for _, channel := range channels {
		h.Write([]byte(channel))
		h.Write([]byte{0}) // no name contains it
	}
	return h.Sum32()
}

// appendID appends the line of an event that holds its id.
func appendID(dst []byte, check uint32, places ...engine.Position) []byte {
	dst = append(dst, "id: "...)
	dst = strconv.AppendUint(dst, uint64(check), idBase)
	for i, place := range places {
		separator := byte(',')
		if i == 0 {
			separator = '.'
		}
		dst = append(dst, separator)
		if !place.IsZero() {
			dst = place.Append(dst)
		}
	}
	return append(dst, '\n')
}

// parseID reads an id of a stream with n channels and the given check. It accepts only ids that
// appendID writes. Error: errID.
func parseID(id string, check uint32, n int) ([]engine.Position, error) {
	prefix, list, ok := strings.Cut(id, ".")
	if !ok || prefix != strconv.FormatUint(uint64(check), idBase) || strings.Count(list, ",") != n-1 {
		return nil, errID
	}
	places := make([]engine.Position, 0, n)
	for text := range strings.SplitSeq(list, ",") {
		var place engine.Position
		if text != "" {
			var err error
			if place, err = protocol2.Position(text); err != nil {
				return nil, errID
			}
		}
		places = append(places, place)
	}
	return places, nil
}
