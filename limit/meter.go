package limit

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// scope is the kind of a client.
type scope int

const (
	scopeAddress scope = iota
	scopeUser
	scopeKey
	scopes
)

// kind is the quantity that a limit bounds.
type kind int

const (
	accepts kind = iota
	requests
	publishes
	bytesKind
	failuresKind
	kinds
)

var (
	scopeNames = [scopes]string{"address", "user", "key"}
	kindNames  = [kinds]string{"accepts", "requests", "publishes", "bytes", "failures"}
)

// sentences are the error messages: which limit the client exceeded, and the option that sets it.
var sentences = [kinds]string{
	accepts:      "This %s opens more connections per second than allowed (%s).",
	requests:     "This %s sends more requests per second than allowed (%s).",
	publishes:    "This %s publishes more messages per second than allowed (%s).",
	bytesKind:    "This %s sends more bytes per second than allowed (%s).",
	failuresKind: "Too many authentications from this %s have failed (%s).",
}

// A Count is the number of refusals of one limit.
type Count struct {
	Scope   string // "address", "user" or "key"
	Limit   string // "accepts", "requests", "publishes", "bytes" or "failures"
	Refused uint64
}

// Stats returns a count for every limit that has an option, even if the option is not set.
func (l *Limits) Stats() []Count {
	var list []Count
	for s := range scopes {
		for k := range kinds {
			if !possible(s, k) {
				continue
			}
			c := Count{Scope: scopeNames[s], Limit: kindNames[k]}
			if l != nil {
				c.Refused = l.meters[s][k].Total()
			}
			list = append(list, c)
		}
	}
	return list
}

// possible reports whether the server has an option for the limit.
func possible(s scope, k kind) bool {
	switch k {
	case accepts, failuresKind:
		return s == scopeAddress
	case publishes:
		return s != scopeAddress
	}
	return true
}

func (l *Limits) bounds(s scope) *Bounds { return &l.bounded.Load()[s] }

// sendAway is like refuse, for a client that keeps sending although it has no bytes left.
func (l *Limits) sendAway(s scope, client string, wait time.Duration) error {
	const sentence = "This %s keeps sending more frames or requests than allowed (%s)."
	return l.refuseAs(sentence, s, bytesKind, client, wait)
}

// refuse counts a refusal, logs it if a log line is due, and returns the error.
func (l *Limits) refuse(s scope, k kind, client string, wait time.Duration) error {
	return l.refuseAs(sentences[k], s, k, client, wait)
}

func (l *Limits) refuseAs(sentence string, s scope, k kind, client string, wait time.Duration) error {
	option := scopeNames[s] + "_" + kindNames[k]
	if n := l.meters[s][k].Add(); n > 0 && l.options.Refused != nil {
		l.options.Refused(Refusal{Count{scopeNames[s], kindNames[k], n}, option, client})
	}
	return fault.RateLimited.After(fmt.Sprintf(sentence, scopeNames[s], option), wait)
}

// A Meter counts events such as refusals, and says which of them to log: at most one per second. The
// zero value is ready to use. Its methods are safe for concurrent use.
type Meter struct {
	total, logged atomic.Uint64
	next          atomic.Int64 // the [clock.Mono] from which on an event is logged again; 0 at first
}

// Add counts an event. If it is to be logged, Add returns the number of events since the last one
// that was logged, including this one; otherwise it returns 0.
func (m *Meter) Add() uint64 {
	total := m.total.Add(1)
	now, next := clock.Now(), m.next.Load()
	if next != 0 && int64(now) < next || !m.next.CompareAndSwap(next, int64(now.Add(time.Second))) {
		return 0
	}
	return total - min(m.logged.Swap(total), total)
}

// Total returns the number of events.
func (m *Meter) Total() uint64 { return m.total.Load() }
