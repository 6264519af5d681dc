// Package refusal keeps the latest refusals and their reasons, so that an operator can find out why
// a client is refused without searching logs.
package refusal

import (
	"strings"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/tail"
)

// Size is how many refusals a log holds.
const Size = 4096

// maxText bounds each text of an entry, in bytes: clients choose some of them.
const maxText = 512

// sameWithin is the time within which a refusal that equals its client's last one is only
// counted, so that a client that retries endlessly does not push out all others.
const sameWithin = time.Minute

// keptAtLeast is how long a refusal is kept while other clients have more of them. Operators
// mostly look for a refusal within that time.
const keptAtLeast = time.Hour

// An Entry is one refusal. Unknown fields are empty. No entry holds a token or key.
type Entry struct {
	Time      time.Time // of the latest one
	Count     int       // the number of equal refusals in a row, at least 1
	Code      string    // from the table of errors
	Message   string    // the message that the client received
	Transport string    // "websocket", "websocket-classic", "sse", "http"
	Address   string    // the client's, without a port
	Session   string    // its name
	TokenID   string    // the ID of the token or API key
	User      string
	Verb      string // the client's request: "join", "connect", "GET /v2/stats"
	Channel   string
}

// A Log holds the last [Size] refusals, shared fairly between the refused clients; see owner. Its
// methods are safe for concurrent use. A nil Log holds nothing.
type Log struct {
	now  func() time.Time // immutable
	tail *tail.Log        // immutable; may be nil

	mu sync.Mutex

	// Guarded by mu.
	all    list // oldest first
	owners owners
	last   map[client]*node
	total  uint64 // the number of refusals since the start, with those that were dropped
}

// client identifies the client whose refusals are counted together.
type client struct{ address, session, token string }

func (e *Entry) client() client { return client{e.Address, e.Session, e.TokenID} }

// New returns an empty log.
func New() *Log { return NewTold(nil) }

// NewTold returns an empty log that also adds an event to t for each refusal.
func NewTold(t *tail.Log) *Log {
	return &Log{now: time.Now, tail: t, owners: owners{byName: make(map[string]*owner)}, last: make(map[client]*node)}
}

// Add records a refusal with the current time.
func (l *Log) Add(e Entry) {
	if l == nil {
		return
	}
	for _, text := range e.texts() {
		if len(*text) > maxText {
			*text = strings.ToValidUTF8((*text)[:maxText], "")
		}
	}
	name := e.owner()
	l.tail.Add(tail.Event{
		Kind: tail.Refused, Channel: e.Channel, Session: e.Session, User: e.User, Token: e.TokenID, Address: e.Address,
		Transport: e.Transport, Verb: e.Verb, Code: e.Code, Text: e.Message,
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total++
	e.Time, e.Count = l.now(), 1
	if n := l.last[e.client()]; n != nil && e.Time.Sub(n.Time) < sameWithin && alike(&n.Entry, &e) {
		n.Time, n.Count = e.Time, n.Count+1
		return
	}
	for _, text := range e.texts() {
		*text = strings.Clone(*text) // it may alias a whole message, and would keep all of it in memory
	}
	n := &node{Entry: e}
	l.all.push(n)
	l.owners.add(name, n)
	l.last[e.client()] = n
	if l.all.len > Size {
		l.drop()
	}
}

// drop makes room for one entry. It removes the oldest entry of all if that is old enough,
// otherwise the oldest entry of the owner with the most entries.
func (l *Log) drop() {
	n := l.all.first
	if l.now().Sub(n.Time) < keptAtLeast {
		n = l.owners.most().nodes[0]
	}
	l.all.remove(n)
	l.owners.remove(n)
	if l.last[n.client()] == n {
		delete(l.last, n.client())
	}
}

// texts returns the fields of an entry whose content clients may have chosen.
func (e *Entry) texts() []*string {
	return []*string{&e.Message, &e.Address, &e.Session, &e.TokenID, &e.User, &e.Verb, &e.Channel}
}

// alike reports whether two refusals differ only in time and count.
func alike(a, b *Entry) bool {
	c := *b
	c.Time, c.Count = a.Time, a.Count
	return *a == c
}

// A Filter selects refusals: each field that is not empty must be equal.
type Filter struct{ Session, TokenID, User, Address string }

func (f *Filter) matches(e *Entry) bool {
	return (f.Session == "" || f.Session == e.Session) && (f.TokenID == "" || f.TokenID == e.TokenID) &&
		(f.User == "" || f.User == e.User) && (f.Address == "" || f.Address == e.Address)
}

// Find returns at most limit refusals that match the filter, the newest first.
func (l *Log) Find(f Filter, limit int) []Entry {
	found := []Entry{}
	if l == nil {
		return found
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := l.all.newest; n != nil && len(found) < limit; n = n.older {
		if f.matches(&n.Entry) {
			found = append(found, n.Entry)
		}
	}
	return found
}

// Total returns the number of refusals since the start. The log may not hold all of them any more.
func (l *Log) Total() uint64 {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}
