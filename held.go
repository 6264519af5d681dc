package boreas

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/peer"
)

// DefaultPeerMemory is the default of Options.PeerMemory, in bytes.
const DefaultPeerMemory = 128 << 20

// Shares of Options.PeerMemory, as divisors.
const (
	addressShare = 8
	userShare    = 16
	sessionShare = 32
	backendShare = 8 // reserved for backends
)

// HeldFree is the number of bytes of each kind that the hub holds for a session without counting
// them. They are part of the cost of a connection, like its buffers in the kernel.
const HeldFree = 4 << 10

// heldWait is how long a request waits for memory.
const heldWait = 10 * time.Second

// ErrPeerMemory means that the server already holds as many bytes as it may for the session, its
// address, its user, or all peers. The error's text says which.
var ErrPeerMemory = errors.New("boreas: too many bytes are held for this client")

// A HeldKind is the reason why the server holds bytes for a peer.
type HeldKind int

// Kinds of held bytes.
const (
	HeldRequest HeldKind = iota // a partly received request
	HeldAnswer                  // an answer that the peer has not read yet
	HeldBatch                   // a copy of messages that the connection is writing
	HeldMessage                 // a publication that is partly written to a session; held once for all such sessions
	heldKinds
)

// heldScope names the limit that was reached.
type heldScope int

const (
	heldSession heldScope = iota
	heldAddress
	heldUser
	heldAll
	heldScopes
)

// heldError is an ErrPeerMemory that names the limit.
type heldError struct{ scope heldScope }

var heldSentences = [heldScopes]string{
	heldSession: "boreas: too many bytes are held for this session (peer_memory / 32)",
	heldAddress: "boreas: too many bytes are held for the clients of this address (peer_memory / 8)",
	heldUser:    "boreas: too many bytes are held for the clients of this user (peer_memory / 16)",
	heldAll:     "boreas: too many bytes are held for clients (peer_memory)",
}

func (e *heldError) Error() string        { return heldSentences[e.scope] }
func (e *heldError) Is(target error) bool { return target == ErrPeerMemory }

var heldErrors = [heldScopes]*heldError{{heldSession}, {heldAddress}, {heldUser}, {heldAll}}

// ledger counts the bytes that the server holds for peers. It is locked only if a large item cannot
// be written at once, never for a publication that the connection accepts.
type ledger struct {
	// Immutable after init.
	max    [heldScopes]int64
	exempt addresses // only its counts is used

	mu        sync.Mutex // guards the fields below
	total     int64
	backends  int64 // the part of total that is held for backends
	kinds     [heldKinds]int64
	addresses map[heldAddr]int64
	users     map[string]int64
	pins      map[*engine.Publication]*pin
	waiters   []*heldWaiter // oldest first
	refused   [heldScopes]uint64

	tight atomic.Bool // less than a quarter is free; written with mu held
}

// heldAddr is an address of clients or of backends. Clients do not use up the share of a backend
// that has the same address.
type heldAddr struct {
	netip.Addr
	backend bool
}

// heldWaiter is a Held that waits for memory.
type heldWaiter struct {
	held  *Held
	n     int64
	ready chan struct{} // closed when it has n bytes
}

func (l *ledger) init(o *Options) {
	all := o.PeerMemory
	if all == 0 {
		all = DefaultPeerMemory
	}
	l.max = [heldScopes]int64{all / sessionShare, all / addressShare, all / userShare, all}
	l.exempt = addresses{maxSessions: 1, exempt: o.ExemptAddresses}
	l.addresses, l.users, l.pins = make(map[heldAddr]int64), make(map[string]int64), make(map[*engine.Publication]*pin)
}

// A Held is a number of bytes that the server holds for one peer. Only one goroutine at a time may
// use it. When the bytes are released, set it to 0.
type Held struct {
	// Immutable after the first use.
	ledger  *ledger
	kind    HeldKind
	session bool       // the limit per session applies
	backend bool       // it belongs to a backend
	address netip.Addr // invalid if the limit per address does not apply
	user    string     // "" if the limit per user does not apply

	n int64 // bytes that count; written with ledger.mu held
}

// Held returns an empty Held for a peer that has no session. If the address is invalid or the user
// is empty, the limit for it does not apply.
func (h *Hub) Held(kind HeldKind, address netip.Addr, user string) *Held {
	held := h.ledger.held(kind, address, user)
	return &held
}

// HeldForBackend is like Held for a backend. An eighth of the memory is reserved for backends, and
// the bytes held for clients do not count toward the share of a backend's address.
func (h *Hub) HeldForBackend(kind HeldKind, address netip.Addr) *Held {
	held := h.ledger.held(kind, address, "")
	held.backend = true
	return &held
}

// Tight reports whether less than a quarter of the memory for peers is free. If so, a connection
// that may have to hold bytes without asking should accept fewer. The call costs almost nothing.
func (h *Hub) Tight() bool { return h.ledger.tight.Load() }

// Held returns an empty Held for the session, its address and its user.
func (s *Session) Held(kind HeldKind) *Held {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.held(kind)
	return &held
}

// held is Held for a caller that holds s.mu.
func (s *Session) held(kind HeldKind) Held {
	user := ""
	if s.grant != nil && s.grant.HasUser {
		user = s.grant.User
	}
	held := s.hub.ledger.held(kind, s.address, user)
	held.session = kind == HeldAnswer // max_message limits a session's request
	return held
}

func (l *ledger) held(kind HeldKind, address netip.Addr, user string) Held {
	if l.exempt.counts(address) {
		address = peer.Network(address).Addr()
	} else {
		address = netip.Addr{}
	}
	return Held{ledger: l, kind: kind, address: address, user: user}
}

// counted returns the number of bytes that count: 0 if n is at most HeldFree.
func counted(n int) int64 {
	if n <= HeldFree {
		return 0
	}
	return int64(n)
}

// Set changes the number of bytes held. Fewer are always allowed, and up to [HeldFree] bytes count
// as none. If Set returns [ErrPeerMemory], nothing has changed.
func (h *Held) Set(n int) error { return h.set(n, true) }

// Try is like Set, but it does not count a refusal in the statistics. It is for callers that can go
// on without the bytes.
func (h *Held) Try(n int) bool { return h.set(n, false) == nil }

func (h *Held) set(n int, count bool) error {
	want := counted(n)
	if want == h.n {
		return nil
	}
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	if full, scope := h.full(want); full {
		if count {
			h.ledger.refused[scope]++
		}
		return heldErrors[scope]
	}
	h.change(want)
	return nil
}

// Wait is like Set, but it waits for memory until ctx ends, and for at most 10 seconds. A single
// request or answer that is larger than its share is accepted when nothing else of that share is
// held.
func (h *Held) Wait(ctx context.Context, n int) error {
	want := counted(n)
	if want == h.n {
		return nil
	}
	l := h.ledger
	l.mu.Lock()
	if full, _ := h.full(want); !full {
		h.change(want)
		l.mu.Unlock()
		return nil
	}
	w := &heldWaiter{held: h, n: want, ready: make(chan struct{})}
	l.waiters = append(l.waiters, w)
	l.mu.Unlock()

	timer := time.NewTimer(heldWait)
	defer timer.Stop()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	case <-timer.C:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiters, w)
	if i < 0 {
		return nil // it has just been served
	}
	l.waiters = slices.Delete(l.waiters, i, i+1)
	_, scope := h.full(want)
	l.refused[scope]++
	return heldErrors[scope]
}

// Keep is like Set without limits, because the bytes are in use already.
func (h *Held) Keep(n int) {
	want := counted(n)
	if want == h.n {
		return
	}
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	h.change(want)
}

// release is Keep(0) at a time when another goroutine may be in Wait.
func (h *Held) release() {
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	h.change(0)
}

// take moves the bytes of from into h.
func (h *Held) take(from *Held) {
	n := from.n
	from.Keep(0)
	if n > 0 {
		h.Keep(int(h.n + n))
	}
}

// full reports whether want bytes are over a limit, and returns that limit. A request larger than
// the whole share of an address, of a user or of all peers is accepted when nothing else of that
// share is held. The caller holds ledger.mu.
func (h *Held) full(want int64) (bool, heldScope) {
	l := h.ledger
	more := want - h.n
	over := func(used int64, scope heldScope) bool { return used+more > l.max[scope] && used > h.n }
	switch {
	case more <= 0:
		return false, heldAll
	case h.session && want > l.max[heldSession] && h.n > 0:
		return true, heldSession
	case h.address.IsValid() && over(l.addresses[h.addr()], heldAddress):
		return true, heldAddress
	case h.user != "" && over(l.users[h.user], heldUser):
		return true, heldUser
	}
	kept, room := l.max[heldAll]/backendShare, l.max[heldAll]
	if !h.backend {
		room -= max(0, kept-l.backends)
	} else if l.backends+more <= kept {
		return false, heldAll
	}
	return l.total+more > room && l.total > h.n, heldAll
}

// addr returns the address whose share the bytes use.
func (h *Held) addr() heldAddr { return heldAddr{h.address, h.backend} }

// change sets the number of bytes to want. If bytes become free, it serves the waiters. The caller
// holds ledger.mu.
func (h *Held) change(want int64) {
	l := h.ledger
	more := want - h.n
	h.n = want
	l.total += more
	l.kinds[h.kind] += more
	if h.backend {
		l.backends += more
	}
	if tight := l.total > l.max[heldAll]/4*3; tight != l.tight.Load() {
		l.tight.Store(tight)
	}
	if h.address.IsValid() {
		addTo(l.addresses, h.addr(), more)
	}
	if h.user != "" {
		addTo(l.users, h.user, more)
	}
	if more < 0 {
		l.serve()
	}
}

// serve gives memory to the waiters that now fit, oldest first.
func (l *ledger) serve() {
	l.waiters = slices.DeleteFunc(l.waiters, func(w *heldWaiter) bool {
		if full, _ := w.held.full(w.n); full {
			return false
		}
		w.held.change(w.n) // more bytes than before, so change does not call serve again
		close(w.ready)
		return true
	})
}

// addTo adds more to the number in the map, and deletes it if it becomes zero.
func addTo[K comparable](m map[K]int64, key K, more int64) {
	if m[key] += more; m[key] == 0 {
		delete(m, key)
	}
}

// pin is a publication that is partly written to some sessions. When the log drops the publication,
// these sessions still hold it in memory.
type pin struct {
	held Held // of the first such session
	refs int
}

// pin records that a session holds the publication. Error: [ErrPeerMemory].
func (l *ledger) pin(p *engine.Publication, held Held) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.pins[p]; known != nil {
		known.refs++
		return nil
	}
	want := counted(len(p.Data))
	if full, scope := held.full(want); full {
		l.refused[scope]++
		return heldErrors[scope]
	}
	known := &pin{held, 1}
	known.held.change(want)
	l.pins[p] = known
	return nil
}

// unpin reverts one call of pin.
func (l *ledger) unpin(p *engine.Publication) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.pins[p]
	if known.refs--; known.refs == 0 {
		delete(l.pins, p)
		known.held.change(0)
	}
}

// HeldStats describes the bytes that the server holds for peers.
type HeldStats struct {
	// The bytes held now, by kind and in total, and the limit of the total.
	Request, Answer, Batch, Message int64
	Bytes, Max                      int64

	Waiting int // requests that wait for memory

	// Refused counts the refusals since the start, by limit.
	Refused struct{ Session, Address, User, All uint64 }
}

func (l *ledger) stats() HeldStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := HeldStats{
		Request: l.kinds[HeldRequest], Answer: l.kinds[HeldAnswer], Batch: l.kinds[HeldBatch], Message: l.kinds[HeldMessage],
		Bytes: l.total, Max: l.max[heldAll], Waiting: len(l.waiters),
	}
	s.Refused.Session, s.Refused.Address = l.refused[heldSession], l.refused[heldAddress]
	s.Refused.User, s.Refused.All = l.refused[heldUser], l.refused[heldAll]
	return s
}
