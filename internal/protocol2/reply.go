package protocol2

import (
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// AppendMessage appends a message (clause 5.1 of docs/protocol.md).
func AppendMessage(dst []byte, channel string, epoch uint64, p *engine.Publication) []byte {
	dst = wire.AppendV2Open(dst, channel, p.Data)
	dst = engine.Position{Epoch: epoch, Offset: p.Offset}.Append(dst)
	return append(dst, `"}`...)
}

// Heartbeat returns the heartbeat interval for clients in seconds (clauses 3.1, 10.3). It is rounded
// up, because the server promises to send something within each interval.
func Heartbeat(interval time.Duration) int {
	return int((interval + time.Second - 1) / time.Second)
}

// Expires returns the expiry of a token for clients (clauses 3.2, 3.8), or "" if there is none. It
// is rounded down to seconds, so that no client considers an expired token valid.
func Expires(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// AppendGap appends a gap (clause 5.3).
func AppendGap(dst []byte, channel string, g boreas.Gap) []byte {
	return wire.AppendV2Gap(dst, channel, string(g.Reason), g.From.Append(nil), g.To.Append(nil))
}

// AppendJoined appends one result of a join (clause 4.2), and the comma before it.
func AppendJoined(dst []byte, j *boreas.Join, r *boreas.Joined) []byte {
	w := wire.V2Joined{Channel: j.Channel}
	if r.Err != nil {
		f := Fault(r.Err)
		w.Fault = &f
		return wire.AppendV2Joined(dst, &w)
	}
	w.Position = r.Position.Append(nil)
	w.HasRecovered, w.Recovered = !j.Since.IsZero(), r.Recovered
	if w.HasRecovered && !w.Recovered {
		w.Reason = string(r.Gap.Reason)
		w.From, w.To, w.Oldest = r.Gap.From.Append(nil), r.Gap.To.Append(nil), r.Oldest.Append(nil)
	}
	if r.Presence != nil {
		w.Presence = Presence(r.Presence)
	}
	return wire.AppendV2Joined(dst, &w)
}

// Presence returns a snapshot as JSON (clause 9.3).
func Presence(s *boreas.PresenceState) []byte {
	b, _ := json.Marshal(s) // cannot fail: Info was parsed when it arrived
	return b
}

// Goodbye returns the content of the goodbye of a session that ends with the reason. AfterMS is the
// time in milliseconds after which the client should reconnect. It is negative if the client should
// not reconnect automatically.
func Goodbye(reason error) (f wire.V2Fault, afterMS int64) {
	f = Fault(reason)
	wait := time.Duration(f.RetryAfterMS) * time.Millisecond
	switch fault.Of(reason).Retry {
	case fault.Never:
		return f, -1
	case fault.Later:
		// The random part prevents clients that were disconnected together from reconnecting together.
		wait += rand.N(max(wait, time.Second))
	default:
		wait += rand.N(soon)
	}
	return f, wait.Milliseconds()
}

// soon bounds the random wait of clients that may reconnect at once.
const soon = time.Second

// ReplyBytes is the maximum size of a reply in bytes without the requested texts: its members,
// positions, an id.
const ReplyBytes = 1024
