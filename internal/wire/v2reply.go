package wire

import (
	"strconv"
	"time"
)

// The functions in this file append replies of protocol 2. Their arguments must be as in
// v2append.go.

// appendReply opens a reply: {"id":1,"auth":
func appendReply(dst, id []byte, kind V2Kind) []byte {
	dst = appendID(dst, id)
	dst = append(dst, '"')
	dst = append(dst, kind.String()...)
	return append(dst, `":`...)
}

func appendID(dst, id []byte) []byte {
	dst = append(dst, '{')
	if id != nil {
		dst = append(dst, `"id":`...)
		dst = append(dst, id...)
		dst = append(dst, ',')
	}
	return dst
}

// AppendV2Error appends the reply to a failed request (clause 2.3). If id is nil, it appends the
// reply to a request without a readable id (clause 2.5), which is also the body of a refused HTTP
// request (clause 8.7).
func AppendV2Error(dst, id []byte, f *V2Fault) []byte {
	dst = appendID(dst, id)
	dst = append(dst, `"error":`...)
	dst = AppendV2Fault(dst, f)
	return append(dst, '}')
}

// AppendV2Auth appends the reply to an auth (clause 3.2). expires is a time of RFC 3339, or empty.
func AppendV2Auth(dst, id []byte, user, expires string) []byte {
	dst = appendReply(dst, id, V2Auth)
	dst = append(dst, `{"user":"`...)
	dst = appendEscaped(dst, user)
	if expires != "" {
		dst = append(dst, `","expires":"`...)
		dst = append(dst, expires...)
	}
	return append(dst, `"}}`...)
}

// A V2Joined is one result of a join (clause 4.2).
type V2Joined struct {
	Channel string

	// Fault is why the channel was not joined; nil if it was joined. With a fault, the fields below
	// are ignored.
	Fault *V2Fault

	Position []byte

	// HasRecovered means that the client sent a position. Recovered is the result: true, or false
	// with a gap and the oldest position.
	HasRecovered, Recovered bool
	Reason                  string // of the gap
	From, To                []byte // of the gap
	Oldest                  []byte

	// Presence is a snapshot, a JSON object. It is nil if the client did not request it.
	Presence []byte
}

// AppendV2JoinOpen begins the reply to a join. [AppendV2Joined] for each channel and
// [AppendV2JoinClose] complete it.
func AppendV2JoinOpen(dst, id []byte) []byte {
	dst = appendReply(dst, id, V2Join)
	return AppendV2JoinedOpen(dst)
}

// AppendV2JoinClose ends the reply to a join.
func AppendV2JoinClose(dst []byte) []byte { return append(dst, `]}}`...) }

// AppendV2JoinedOpen begins the list of results without a reply around it, for server-sent events
// (clause 10.3). [AppendV2Joined] for each channel and [AppendV2JoinedClose] complete it.
func AppendV2JoinedOpen(dst []byte) []byte { return append(dst, `{"channels":[`...) }

// AppendV2JoinedClose ends the list of results that [AppendV2JoinedOpen] has begun. It appends the
// heartbeat in seconds, because a stream has no hello.
func AppendV2JoinedClose(dst []byte, heartbeat int) []byte {
	dst = append(dst, `],"heartbeat":`...)
	dst = strconv.AppendInt(dst, int64(heartbeat), 10)
	return append(dst, '}')
}

// AppendV2Joined appends one result of a join. If it is not the first in the list, a comma comes
// before it.
func AppendV2Joined(dst []byte, r *V2Joined) []byte {
	dst = appendComma(dst)
	dst = append(dst, `{"channel":"`...)
	dst = appendEscaped(dst, r.Channel)
	if r.Fault != nil {
		dst = append(dst, `","error":`...)
		dst = AppendV2Fault(dst, r.Fault)
		return append(dst, '}')
	}
	dst = append(dst, `","position":"`...)
	dst = append(dst, r.Position...)
	dst = append(dst, '"')
	switch {
	case r.HasRecovered && r.Recovered:
		dst = append(dst, `,"recovered":true`...)
	case r.HasRecovered:
		dst = append(dst, `,"recovered":false,"gap":`...)
		dst = appendGap(dst, r.Reason, r.From, r.To)
		dst = appendText(dst, `,"oldest":"`, r.Oldest)
	}
	if r.Presence != nil {
		dst = append(dst, `,"presence":`...)
		dst = append(dst, r.Presence...)
	}
	return append(dst, '}')
}

// appendComma appends a comma unless dst ends with the start of a list.
func appendComma(dst []byte) []byte {
	if dst[len(dst)-1] != '[' {
		dst = append(dst, ',')
	}
	return dst
}

// A V2Left is one result of a leave (clause 4.12).
type V2Left struct {
	Channel string
	Fault   *V2Fault // nil if the entry was valid
}

// AppendV2Left appends the reply to a leave (clause 4.12).
func AppendV2Left(dst, id []byte, results []V2Left) []byte {
	dst = appendReply(dst, id, V2Leave)
	dst = append(dst, `{"channels":[`...)
	for _, r := range results {
		dst = appendComma(dst)
		dst = append(dst, `{"channel":"`...)
		dst = appendEscaped(dst, r.Channel)
		dst = append(dst, '"')
		if r.Fault != nil {
			dst = append(dst, `,"error":`...)
			dst = AppendV2Fault(dst, r.Fault)
		}
		dst = append(dst, '}')
	}
	return append(dst, `]}}`...)
}

// AppendV2Published appends the reply to a publish (clauses 6.1, 6.3).
func AppendV2Published(dst, id, position []byte, duplicate bool) []byte {
	dst = appendReply(dst, id, V2Publish)
	dst = append(dst, `{"position":"`...)
	dst = append(dst, position...)
	if duplicate {
		return append(dst, `","duplicate":true}}`...)
	}
	return append(dst, `"}}`...)
}

// AppendV2HistoryOpen begins the reply to a history (clause 7.2).
// [AppendV2HistoryMessage] for each message and [AppendV2HistoryClose] complete it.
func AppendV2HistoryOpen(dst, id []byte, channel string) []byte {
	dst = appendReply(dst, id, V2History)
	return AppendV2PageOpen(dst, channel)
}

// AppendV2HistoryClose ends the reply to a history.
func AppendV2HistoryClose(dst, position []byte, more bool) []byte {
	return append(AppendV2PageClose(dst, position, more), '}')
}

// AppendV2PageOpen begins a page of history without a reply around it, for HTTP.
// [AppendV2HistoryMessage] for each message and [AppendV2PageClose] complete it.
func AppendV2PageOpen(dst []byte, channel string) []byte {
	dst = append(dst, `{"channel":"`...)
	dst = appendEscaped(dst, channel)
	return append(dst, `","messages":[`...)
}

// AppendV2HistoryMessage appends one message of a page, with the time when it was published unless
// that is zero. If it is not the first in the list, a comma comes before it.
func AppendV2HistoryMessage(dst, payload, position []byte, published time.Time) []byte {
	dst = appendComma(dst)
	dst = append(dst, `{"message":`...)
	dst = append(dst, payload...)
	dst = append(dst, `,"position":"`...)
	dst = append(dst, position...)
	if !published.IsZero() {
		dst = append(dst, `","time":"`...)
		dst = published.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	}
	return append(dst, `"}`...)
}

// AppendV2PageClose ends the page that [AppendV2PageOpen] has begun. position is the place after
// the page's last message.
func AppendV2PageClose(dst, position []byte, more bool) []byte {
	dst = append(dst, `],"position":"`...)
	dst = append(dst, position...)
	if more {
		return append(dst, `","more":true}`...)
	}
	return append(dst, `","more":false}`...)
}

// AppendV2PresenceReply appends the reply to a presence request (clause 9.3). The snapshot must be
// a JSON object that is not empty. Its members follow the channel.
func AppendV2PresenceReply(dst, id []byte, channel string, snapshot []byte) []byte {
	dst = appendReply(dst, id, V2Presence)
	dst = append(dst, `{"channel":"`...)
	dst = appendEscaped(dst, channel)
	dst = append(dst, `",`...)
	dst = append(dst, snapshot[1:]...)
	return append(dst, '}')
}

// AppendV2Pong appends the reply to a ping (clause 8.2).
func AppendV2Pong(dst, id []byte) []byte {
	dst = appendReply(dst, id, V2Ping)
	return append(dst, `{}}`...)
}
