package sse

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/protocol2"
	"github.com/boreas-pubsub/boreas/internal/wire"
)

// The functions here append an event from its data on (WHATWG HTML, section 9.2.5);
// what its id is comes before.

// endEvent ends an event whose data begin at start. A line break would end the data:
// in a JSON text it stands between tokens only, where a space does as well. An engine
// should give none, but nobody shall write events by that.
func endEvent(dst []byte, start int) []byte {
	data := dst[start:]
	for _, lineBreak := range []byte{'\n', '\r'} {
		for i := bytes.IndexByte(data, lineBreak); i >= 0; i = bytes.IndexByte(data, lineBreak) {
			data[i] = ' '
		}
	}
	return append(dst, "\n\n"...)
}

func appendMessage(dst []byte, channel string, epoch uint64, p *engine.Publication) []byte {
	dst = append(dst, "data: "...)
	start := len(dst)
	dst = protocol2.AppendMessage(dst, channel, epoch, p)
	return endEvent(dst, start)
}

func appendGap(dst []byte, channel string, g boreas.Gap) []byte {
	dst = append(dst, "event: gap\ndata: "...)
	start := len(dst)
	dst = protocol2.AppendGap(dst, channel, g)
	return endEvent(dst, start)
}

func appendPresence(dst []byte, channel string, event []byte) []byte {
	dst = append(dst, "event: presence\ndata: "...)
	start := len(dst)
	dst = wire.AppendV2Presence(dst, channel, event)
	return endEvent(dst, start)
}

// appendExpiring appends that the token ends.
func appendExpiring(dst []byte, expires string, inMS int64) []byte {
	dst = append(dst, "event: expiring\ndata: "...)
	start := len(dst)
	dst = wire.AppendV2ExpiringBody(dst, expires, inMS)
	return endEvent(dst, start)
}

// appendGoodbye appends the goodbye; a negative after tells the client not to come back.
func appendGoodbye(dst []byte, f *wire.V2Fault, after int64) []byte {
	dst = append(dst, "event: goodbye\ndata: "...)
	start := len(dst)
	dst = wire.AppendV2GoodbyeBody(dst, f, after)
	return endEvent(dst, start)
}

// appendRetry appends the line that tells an EventSource how many milliseconds to wait
// before it comes back.
func appendRetry(dst []byte, after int64) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, after, 10)
	return append(dst, '\n')
}

// appendJoined appends the event that tells the results (clause 10.3).
func (q *request) appendJoined(dst []byte, results []boreas.Joined, heartbeat time.Duration) []byte {
	places := make([]engine.Position, len(results))
	for i := range results {
		places[i] = results[i].Position
	}
	dst = appendID(dst, q.check, places...)
	dst = append(dst, "event: join\ndata: "...)
	start := len(dst)
	dst = wire.AppendV2JoinedOpen(dst)
	for i := range results {
		j := q.joins[i]
		j.Channel = strings.ToValidUTF8(j.Channel, "\uFFFD") // one that failed can be anything
		dst = protocol2.AppendJoined(dst, &j, &results[i])
	}
	dst = wire.AppendV2JoinedClose(dst, protocol2.Heartbeat(heartbeat))
	return endEvent(dst, start)
}
