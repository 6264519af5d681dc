package auth

import (
	"crypto/sha256"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
)

// A targetKind is the kind of a target.
type targetKind byte

const (
	targetAll targetKind = iota // all tokens
	targetToken
	targetUser
	targetKey
	targetKinds // the number of kinds
)

// A target is what a revocation is about: its kind, and the beginning of a SHA-256 of its name. So
// a million targets stay small, however long the names of users are.
type target [16]byte

// maxHashed is the length of a name that targetOf hashes without an allocation: a user's name.
const maxHashed = access.MaxUser

func targetOf(kind targetKind, name string) target {
	var buffer [1 + maxHashed]byte
	text := append(append(buffer[:0], byte(kind)), name...)
	sum := sha256.Sum256(text)
	sum[0] = byte(kind)
	return target(sum[:len(target{})])
}

func (t target) kind() targetKind { return targetKind(t[0]) }

// MarshalText returns the form in the journal.
func (t target) MarshalText() ([]byte, error) { return encodeText(t[:]), nil }

// UnmarshalText reads the form in the journal.
func (t *target) UnmarshalText(text []byte) error { return decodeText(t[:], text) }

// A span says which tokens of its target a revocation revokes, and for how long. Times are Unix
// nanoseconds.
//
// The clock may have been set back between the creation of a token and its revocation. For this
// reason a revocation that takes effect now compares serial numbers. It compares times only for
// JWTs, which have no serial number.
type span struct {
	before int64  // revokes JWTs issued until this time; forever means all
	own    int64  // revokes other tokens issued until this time; forever means all, -forever none
	serial uint64 // revokes other tokens with a lower serial number
	until  int64  // when the revocation may be forgotten; forever means never
}

// forever is later than any time in this package.
const forever = 1<<63 - 1

// revokes reports whether the span revokes the grant. A token without a time of issue counts as
// older than every revocation. Leeway is how far the clock of a JWT's issuer may be ahead.
func (s span) revokes(g *access.Grant, leeway time.Duration) bool {
	issued := int64(-forever)
	if !g.Issued.IsZero() {
		issued = g.Issued.UnixNano()
	}
	if g.Kind != "jwt" {
		return issued <= s.own || g.Serial < s.serial
	}
	return issued <= s.before || issued-int64(leeway) <= s.before
}

// union returns the span that revokes what s or other revokes, for the longer of their times.
func (s span) union(other span) span {
	return span{max(s.before, other.before), max(s.own, other.own), max(s.serial, other.serial), max(s.until, other.until)}
}

// nanos returns t in Unix nanoseconds. The zero time is forever.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return forever
	}
	return t.UnixNano()
}

// timeOf is the inverse of nanos.
func timeOf(nanos int64) time.Time {
	if nanos == forever {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

// revocations are all revocations in force. The zero value has none. They are guarded as the state
// is.
type revocations struct {
	spans map[target]span
	count [targetKinds]int // of spans, by kind; a kind without any needs no look-up
	ends  deadlines[target]
}

func (r *revocations) len() int { return len(r.spans) }

// has reports whether there is a revocation of the target, even if it may be forgotten.
func (r *revocations) has(t target) bool {
	_, ok := r.spans[t]
	return ok
}

// put adds a revocation. Two of the same target are united, so that neither makes valid what the
// other has revoked.
func (r *revocations) put(t target, s span) {
	if r.spans == nil {
		r.spans = make(map[target]span)
	}
	old, known := r.spans[t]
	if known {
		s = s.union(old)
	} else {
		r.count[t.kind()]++
	}
	r.spans[t] = s
	if s.until != forever && (!known || s.until != old.until) {
		r.ends.add(s.until, t)
	}
	if !r.ends.crowded(len(r.spans)) {
		return
	}
	r.ends = deadlines[target]{}
	for t, s := range r.spans {
		if s.until != forever {
			r.ends.add(s.until, t)
		}
	}
}

// remove removes the revocation of a target, if there is one.
func (r *revocations) remove(t target) {
	if r.has(t) {
		delete(r.spans, t)
		r.count[t.kind()]--
	}
}

// find returns the revocation of a target. It returns false if there is none, or if it may be
// forgotten now.
func (r *revocations) find(kind targetKind, name string, now int64) (span, bool) {
	if r.count[kind] == 0 {
		return span{}, false
	}
	s, ok := r.spans[targetOf(kind, name)]
	return s, ok && s.until > now
}

// sweep removes at most maxSweep revocations that may be forgotten.
func (r *revocations) sweep(now int64) {
	for range maxSweep {
		t, ok := r.ends.take(now)
		if !ok {
			return
		}
		if s, known := r.spans[t]; known && s.until <= now {
			r.remove(t)
		}
	}
}

// match reports whether a revocation revokes the grant; leeway is that of span.revokes. It does
// not allocate.
func (r *revocations) match(g *access.Grant, leeway time.Duration) bool {
	if len(r.spans) == 0 {
		return false
	}
	now := time.Now().UnixNano()
	hit := func(kind targetKind, name string) bool {
		s, ok := r.find(kind, name, now)
		return ok && s.revokes(g, leeway)
	}
	return hit(targetAll, "") || hit(targetToken, g.TokenID) ||
		g.HasUser && hit(targetUser, g.User) || g.Key != "" && hit(targetKey, g.Key)
}
