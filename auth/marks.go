package auth

import (
	"crypto/sha256"
	"time"

	"github.com/boreas-pubsub/boreas/access"
)

// A markKind is what a revocation is about.
type markKind byte

const (
	markAll markKind = iota
	markToken
	markUser
	markKey
	markKinds
)

// A mark names what was revoked: its kind, and the front of a SHA-256. A million of them
// stay small that way, whatever the users' names are.
type mark [16]byte

// maxMarked is how much of a value is hashed without allocating: a user's name.
const maxMarked = access.MaxUser

func markOf(kind markKind, value string) mark {
	var buffer [1 + maxMarked]byte
	text := append(append(buffer[:0], byte(kind)), value...)
	sum := sha256.Sum256(text)
	sum[0] = byte(kind)
	return mark(sum[:len(mark{})])
}

func (m mark) kind() markKind { return markKind(m[0]) }

// MarshalText is the form in the journal.
func (m mark) MarshalText() ([]byte, error) { return encodeText(m[:]), nil }

// UnmarshalText reads it.
func (m *mark) UnmarshalText(text []byte) error { return decodeText(m[:], text) }

// A span is the set of tokens that a mark revokes, and for how long. Times are Unix nanoseconds.
//
// The clock may have been set back between the creation of a token and its revocation. For this
// reason a revocation that takes effect now compares serial numbers. It compares times only for
// JWTs, which have no serial number.
type span struct {
	before int64  // revokes JWTs issued until this time; forever means all
	own    int64  // revokes other tokens issued until this time; forever means all, -forever none
	serial uint64 // revokes other tokens with a lower serial number
	until  int64  // when it may be forgotten; forever for never
}

// forever is later than any time in this package.
const forever = 1<<63 - 1

// takes reports whether the span revokes the grant. A token without a time of issue counts as
// older than every revocation. Leeway is how far the clock of a JWT's issuer may be ahead.
func (s span) takes(g *access.Grant, leeway time.Duration) bool {
	issued := int64(-forever)
	if !g.Issued.IsZero() {
		issued = g.Issued.UnixNano()
	}
	if g.Kind != "jwt" {
		return issued <= s.own || g.Serial < s.serial
	}
	return issued <= s.before || issued-int64(leeway) <= s.before
}

// nanos returns t as the marks have it; the zero time is forever.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return forever
	}
	return t.UnixNano()
}

// timeOf is the opposite of nanos.
func timeOf(nanos int64) time.Time {
	if nanos == forever {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

// marks are all revocations. The zero value has none.
type marks struct {
	of    map[mark]span
	count [markKinds]int // by kind: most servers need not look
	ends  deadlines[mark]
}

// put adds a revocation. What two say of the same thing is joined: neither can bring
// back what the other has taken.
func (m *marks) put(at mark, s span) {
	if m.of == nil {
		m.of = make(map[mark]span)
	}
	old, known := m.of[at]
	if known {
		s = span{max(s.before, old.before), max(s.own, old.own), max(s.serial, old.serial), max(s.until, old.until)}
	} else {
		m.count[at.kind()]++
	}
	m.of[at] = s
	if s.until != forever && (!known || s.until != old.until) {
		m.ends.add(s.until, at)
	}
	if !m.ends.crowded(len(m.of)) {
		return
	}
	m.ends = deadlines[mark]{}
	for at, s := range m.of {
		if s.until != forever {
			m.ends.add(s.until, at)
		}
	}
}

func (m *marks) remove(at mark) bool {
	if _, ok := m.of[at]; !ok {
		return false
	}
	delete(m.of, at)
	m.count[at.kind()]--
	return true
}

// find returns the revocation of that, if it is not to be forgotten.
func (m *marks) find(kind markKind, value string, now int64) (span, bool) {
	if m.count[kind] == 0 {
		return span{}, false
	}
	s, ok := m.of[markOf(kind, value)]
	return s, ok && s.until > now
}

// sweep forgets what may be forgotten; not all of it at once.
func (m *marks) sweep(now int64) {
	for range maxSweep {
		at, ok := m.ends.take(now)
		if !ok {
			return
		}
		if s, known := m.of[at]; known && s.until <= now {
			m.remove(at)
		}
	}
}

// match reports whether a revocation revokes the grant; leeway is as for span.takes. It does not
// allocate.
func (m *marks) match(g *access.Grant, leeway time.Duration) bool {
	if len(m.of) == 0 {
		return false
	}
	now := time.Now().UnixNano()
	hit := func(kind markKind, value string) bool {
		s, ok := m.find(kind, value, now)
		return ok && s.takes(g, leeway)
	}
	return hit(markAll, "") || hit(markToken, g.TokenID) ||
		g.HasUser && hit(markUser, g.User) || g.Key != "" && hit(markKey, g.Key)
}
