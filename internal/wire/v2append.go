package wire

import (
	"slices"
	"strconv"
)

// The functions in this file append messages of a server of protocol 2 (docs/protocol.md), without
// white space. Names and texts must be valid UTF-8. A payload must be one JSON text on one line. A
// position must not need escapes. An id must be that of the request, unchanged. If dst has room,
// nothing is allocated.

// A V2Fault is the error object of clause 2.6.
type V2Fault struct {
	Code, Message, Retry string
	Docs                 string // omitted if empty
	RetryAfterMS         int64  // omitted if 0
	Oldest               []byte // a position; omitted if nil
}

// AppendV2Open appends a message of a channel (clause 5.1) up to its position. The
// position and [V2Close] complete it:
//
//	{"channel":"chat","message":<payload>,"position":"
func AppendV2Open(dst []byte, channel string, payload []byte) []byte {
	const open, middle, position = `{"channel":"`, `","message":`, `,"position":"`
	const room = 32 // for the position and the end
	dst = slices.Grow(dst, len(open)+len(channel)+len(middle)+len(payload)+len(position)+room)
	dst = append(dst, open...)
	dst = appendEscaped(dst, channel)
	dst = append(dst, middle...)
	dst = append(dst, payload...)
	return append(dst, position...)
}

// V2Close ends a message that [AppendV2Open] has begun.
const V2Close = `"}`

// AppendV2Gap appends a gap (clause 5.3).
func AppendV2Gap(dst []byte, channel, reason string, from, to []byte) []byte {
	dst = append(dst, `{"channel":"`...)
	dst = appendEscaped(dst, channel)
	dst = append(dst, `","gap":`...)
	dst = appendGap(dst, reason, from, to)
	return append(dst, '}')
}

func appendGap(dst []byte, reason string, from, to []byte) []byte {
	dst = append(dst, `{"reason":"`...)
	dst = append(dst, reason...)
	dst = append(dst, `","from":"`...)
	dst = append(dst, from...)
	dst = append(dst, `","to":"`...)
	dst = append(dst, to...)
	return append(dst, `"}`...)
}

// AppendV2Presence appends a presence event (clauses 9.4 to 9.8), which is a JSON object.
func AppendV2Presence(dst []byte, channel string, event []byte) []byte {
	dst = append(dst, `{"channel":"`...)
	dst = appendEscaped(dst, channel)
	dst = append(dst, `","presence":`...)
	dst = append(dst, event...)
	return append(dst, '}')
}

// V2Heartbeat is a heartbeat (clause 8.1).
const V2Heartbeat = `{"heartbeat":{}}`

// A V2Hello is the first message of the server (clause 3.1).
type V2Hello struct {
	Session   string
	User      string // the user of the handshake's token (clause 3.10); "" without a token
	Expires   string // when that token expires, a time of RFC 3339; "" for never
	Heartbeat int    // seconds
	Limits    V2Limits
}

// V2Limits are the limits in the hello (clause 3.1).
type V2Limits struct {
	FrameBytes, Channels, ChannelBytes, KeyBytes, History, InfoBytes int
}

// AppendV2Hello appends the hello.
func AppendV2Hello(dst []byte, h V2Hello) []byte {
	dst = append(dst, `{"hello":{"protocol":2,"session":"`...)
	dst = appendEscaped(dst, h.Session)
	if h.User != "" {
		dst = append(dst, `","user":"`...)
		dst = appendEscaped(dst, h.User)
	}
	if h.Expires != "" {
		dst = append(dst, `","expires":"`...)
		dst = append(dst, h.Expires...)
	}
	dst = append(dst, `","heartbeat":`...)
	dst = strconv.AppendInt(dst, int64(h.Heartbeat), 10)
	dst = appendLimit(dst, `,"limits":{"frame_bytes":`, h.Limits.FrameBytes)
	dst = appendLimit(dst, `,"channels":`, h.Limits.Channels)
	dst = appendLimit(dst, `,"channel_bytes":`, h.Limits.ChannelBytes)
	dst = appendLimit(dst, `,"key_bytes":`, h.Limits.KeyBytes)
	dst = appendLimit(dst, `,"history":`, h.Limits.History)
	dst = appendLimit(dst, `,"info_bytes":`, h.Limits.InfoBytes)
	return append(dst, `}}}`...)
}

func appendLimit(dst []byte, name string, n int) []byte {
	return strconv.AppendInt(append(dst, name...), int64(n), 10)
}

// AppendV2Expiring appends the warning that the session's token will expire (clause 3.8): the time
// in RFC 3339, and the milliseconds until then.
func AppendV2Expiring(dst []byte, expires string, inMS int64) []byte {
	dst = append(dst, `{"expiring":`...)
	dst = AppendV2ExpiringBody(dst, expires, inMS)
	return append(dst, '}')
}

// AppendV2ExpiringBody appends only the object under expiring, for server-sent events (clause
// 10.4).
func AppendV2ExpiringBody(dst []byte, expires string, inMS int64) []byte {
	dst = append(dst, `{"expires":"`...)
	dst = append(dst, expires...)
	dst = append(dst, `","in_ms":`...)
	dst = strconv.AppendInt(dst, inMS, 10)
	return append(dst, '}')
}

// AppendV2Goodbye appends a goodbye (clause 8.3). A negative afterMS means that the client must not
// reconnect automatically.
func AppendV2Goodbye(dst []byte, f *V2Fault, afterMS int64) []byte {
	dst = append(dst, `{"goodbye":`...)
	dst = AppendV2GoodbyeBody(dst, f, afterMS)
	return append(dst, '}')
}

// AppendV2GoodbyeBody appends only the object under goodbye, for server-sent events (clause 10.4).
func AppendV2GoodbyeBody(dst []byte, f *V2Fault, afterMS int64) []byte {
	dst = append(dst, `{"error":`...)
	dst = AppendV2Fault(dst, f)
	if afterMS >= 0 {
		dst = append(dst, `,"reconnect":{"after_ms":`...)
		dst = strconv.AppendInt(dst, afterMS, 10)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// AppendV2Fault appends an error object (clause 2.6).
func AppendV2Fault(dst []byte, f *V2Fault) []byte {
	dst = append(dst, `{"code":"`...)
	dst = append(dst, f.Code...)
	dst = append(dst, `","message":"`...)
	dst = appendEscaped(dst, f.Message)
	dst = append(dst, `","retry":"`...)
	dst = append(dst, f.Retry...)
	dst = append(dst, '"')
	if f.Docs != "" {
		dst = append(dst, `,"docs":"`...)
		dst = appendEscaped(dst, f.Docs)
		dst = append(dst, '"')
	}
	if f.RetryAfterMS != 0 {
		dst = append(dst, `,"retry_after_ms":`...)
		dst = strconv.AppendInt(dst, f.RetryAfterMS, 10)
	}
	dst = appendText(dst, `,"oldest":"`, f.Oldest)
	return append(dst, '}')
}

// appendText appends a member whose value is a text without escapes, unless the text is nil. The
// name must end with the text's opening quote.
func appendText(dst []byte, name string, text []byte) []byte {
	if text == nil {
		return dst
	}
	dst = append(dst, name...)
	dst = append(dst, text...)
	return append(dst, '"')
}
