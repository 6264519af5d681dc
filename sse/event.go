package sse

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// The functions of this file append an event without its id (WHATWG HTML, section 9.2.5). The
// caller appends the id before.

// endEvent ends an event whose data begins at start. It replaces line breaks by spaces, because a
// line break would end the data, and a publisher could forge events. In JSON, line breaks are only
// between tokens, where a space has the same meaning.
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

// appendExpiring appends a notice that the token expires.
func appendExpiring(dst []byte, expires string, inMS int64) []byte {
	dst = append(dst, "event: expiring\ndata: "...)
	start := len(dst)
	dst = wire.AppendV2ExpiringBody(dst, expires, inMS)
	return endEvent(dst, start)
}

// appendGoodbye appends the goodbye. If after is negative, the client must not reconnect.
func appendGoodbye(dst []byte, f *wire.V2Fault, after int64) []byte {
	dst = append(dst, "event: goodbye\ndata: "...)
	start := len(dst)
	dst = wire.AppendV2GoodbyeBody(dst, f, after)
	return endEvent(dst, start)
}

// appendRetry appends the line that sets how many milliseconds an EventSource waits before it
// reconnects.
func appendRetry(dst []byte, after int64) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, after, 10)
	return append(dst, '\n')
}

// appendJoined appends the event with the results of the joins (clause 10.3).
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
		j.Channel = strings.ToValidUTF8(j.Channel, "\uFFFD") // an invalid name may be any bytes
		dst = protocol2.AppendJoined(dst, &j, &results[i])
	}
	dst = wire.AppendV2JoinedClose(dst, protocol2.Heartbeat(heartbeat))
	return endEvent(dst, start)
}
