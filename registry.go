package boreas

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"runtime"
	"slices"
	"sync"

	"github.com/boreas-pubsub/boreas/v2/access"
)

// pingSlots is the number of parts into which the sessions are divided for pinging. More slots
// spread the work more evenly.
const pingSlots = 64

// registry has the hub's sessions by slot and by identity, and enforces the limits on sessions.
type registry struct {
	max int // limit of open, 0 means unlimited; immutable after init

	mu         sync.Mutex            // guards the fields below
	slots      [pingSlots][]*Session // sessions that are not finished
	next       int                   // slot of the next session
	live       int                   // number of sessions that have not ended
	open       int                   // number of sessions that are not done: reserved, live or closing
	anonymous  int                   // number of live sessions without an identity
	users      users
	addresses  addresses
	identities map[string]*identity
	refused    uint64 // reservations refused because of max or addresses
	shutting   bool
	empty      chan struct{} // immutable; closed when shutting and open is 0
}

// identity has the sessions that authenticated with one identity. Guarded by registry.mu.
type identity struct {
	name     string
	sessions []*Session
}

func (r *registry) init(o *Options) {
	r.max = o.MaxSessions
	r.users = users{maxSessions: o.MaxUserSessions, maxChannels: o.MaxUserChannels}
	r.addresses = addresses{maxSessions: o.MaxAddressSessions, maxChannels: o.MaxAddressChannels, exempt: o.ExemptAddresses}
	r.identities = make(map[string]*identity)
	r.empty = make(chan struct{})
}

// reserve counts one more open session, from the address.
func (r *registry) reserve(address netip.Addr) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shutting {
		return ErrShuttingDown
	}
	if r.max > 0 && r.open >= r.max {
		r.refused++
		return ErrTooManySessions
	}
	if err := r.addresses.addSession(address); err != nil {
		r.refused++
		return err
	}
	r.open++
	return nil
}

// start makes a reserved session live, and gives it its slot and its number.
func (r *registry) start(s *Session) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shutting {
		return ErrShuttingDown
	}
	s.slot = uint8(r.next)
	s.number = newNumber(s.slot)
	s.slotIndex = int32(len(r.slots[r.next]))
	r.slots[r.next] = append(r.slots[r.next], s)
	r.next = (r.next + 1) % pingSlots
	r.live++
	r.anonymous++
	return nil
}

// identify sets the session's grant and identity; nil makes it anonymous. If it returns
// [ErrTooManyUserSessions] or [ErrTooManyUserChannels], nothing has changed. The caller holds s.mu.
func (r *registry) identify(s *Session, g *access.Grant) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.users.move(s.grant, g, int(s.joined)); err != nil {
		return err
	}
	r.unidentify(s)
	if g == nil {
		r.anonymous++
		s.grant = nil
		return nil
	}
	id := r.identities[g.Identity]
	if id == nil {
		id = &identity{name: g.Identity}
		r.identities[g.Identity] = id
	}
	s.grant, s.identity, s.identityIndex = g, id, int32(len(id.sessions))
	id.sessions = append(id.sessions, s)
	return nil
}

// unidentify removes s from the sessions of its identity, or from the anonymous ones.
func (r *registry) unidentify(s *Session) {
	id := s.identity
	if id == nil {
		r.anonymous--
		return
	}
	last := len(id.sessions) - 1
	moved := id.sessions[last]
	id.sessions[s.identityIndex], moved.identityIndex = moved, s.identityIndex
	id.sessions[last] = nil
	id.sessions = id.sessions[:last]
	if last == 0 {
		delete(r.identities, id.name)
	}
	s.identity = nil
}

// ended stops counting a session as live and removes it from its identity. The session stays in its
// slot until it is finished. The caller holds s.mu.
func (r *registry) ended(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users.leave(s.grant, int(s.joined))
	r.unidentify(s)
	r.live--
}

// finished removes a session from its slot; it stays open until it is done. The caller holds s.mu.
func (r *registry) finished(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slot := r.slots[s.slot]
	last := len(slot) - 1
	moved := slot[last]
	slot[s.slotIndex], moved.slotIndex = moved, s.slotIndex
	slot[last] = nil
	r.slots[s.slot] = slot[:last]
}

func (r *registry) done(address netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addresses.removeSession(address)
	r.open--
	if r.shutting && r.open == 0 {
		close(r.empty)
	}
}

// shut refuses further sessions, and returns the sessions that are not finished.
func (r *registry) shut() []*Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.shutting {
		r.shutting = true
		if r.open == 0 {
			close(r.empty)
		}
	}
	return r.unfinished()
}

// all returns the sessions that are not finished.
func (r *registry) all() []*Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unfinished()
}

// unfinished is all for a caller that holds mu.
func (r *registry) unfinished() []*Session {
	all := make([]*Session, 0, r.live)
	for _, slot := range r.slots {
		all = append(all, slot...)
	}
	return all
}

func (r *registry) wait(ctx context.Context) error {
	select {
	case <-r.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// newNumber returns a random number for a session in the slot. It is random so that it reveals
// nothing. The low bits are the slot, so that find needs to search only that slot.
func newNumber(slot uint8) uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return binary.LittleEndian.Uint64(b[:])/pingSlots*pingSlots + uint64(slot)
}

// find returns the session with the number, or nil if there is none.
func (r *registry) find(number uint64) *Session {
	for _, s := range r.slot(int(number % pingSlots)) {
		if s.number == number {
			return s
		}
	}
	return nil
}

// slot returns a copy of one slot's sessions.
func (r *registry) slot(i int) []*Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.slots[i])
}

// of returns a copy of the sessions of an identity.
func (r *registry) of(name string) []*Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id := r.identities[name]; id != nil {
		return slices.Clone(id.sessions)
	}
	return nil
}

// names returns the identities that have sessions, unsorted.
func (r *registry) names() []string {
	var names []string
	r.eachIdentity(func(id *identity) { names = append(names, id.name) })
	return names
}

// counts returns the number of anonymous sessions, and the number of sessions of each identity,
// unsorted.
func (r *registry) counts() (anonymous int, identities []Count) {
	identities = []Count{}
	r.eachIdentity(func(id *identity) { identities = append(identities, Count{id.name, len(id.sessions)}) })
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.anonymous, identities
}

// identitiesAtOnce is how many identities eachIdentity visits before it releases the lock for a
// moment.
const identitiesAtOnce = 1000

// eachIdentity calls visit with mu held, but releases the lock from time to time. It visits each
// identity that exists during the whole call exactly once.
func (r *registry) eachIdentity(visit func(*identity)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, id := range r.identities { // Go allows changes of a map during a range over it
		visit(id)
		if n++; n%identitiesAtOnce == 0 {
			r.mu.Unlock()
			runtime.Gosched()
			r.mu.Lock()
		}
	}
}
