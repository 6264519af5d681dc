package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// This file applies the changes of other authorities on the same store to the state and to sessions.

// followAgain is the interval at which an authority retries to read the changes of others.
const followAgain = time.Second

// catchUp applies the lines that other authorities have added to the store. The caller holds
// writing.
func (a *Authority) catchUp(ctx context.Context) error {
	if err := a.failed.Load(); err != nil {
		return *err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	var unread error
	var lines []*line
	last, err := a.store.Replay(ctx, a.at, func(text []byte) error {
		l, err := readLine(text)
		if err != nil {
			unread = err
			return err
		}
		lines = append(lines, l)
		return nil
	})
	if len(lines) > 0 {
		before := a.foreign.before(a.state, lines)
		if applied := a.apply(lines...); applied != nil {
			unread = applied
		}
		a.foreign.add(a.state, lines, before)
	}
	if errors.Is(err, ErrCompacted) && unread == nil {
		return a.reload(ctx)
	}
	a.at = last
	if unread != nil {
		// A line that is left out could have been a revocation, so nothing is read after it.
		unread = fmt.Errorf("a change by another server cannot be read, so no more changes are made or read; restart with the other server's version: %w", unread)
		return a.fail(unread)
	}
	return err
}

// Sessions are the sessions that have grants of an Authority. [boreas.Hub] implements it.
type Sessions interface {
	RevokeSessions(match func(*access.Grant) bool, grace time.Duration) int
	Regrant(g *access.Grant) int
}

// Attach makes the authority apply the changes of other authorities on the same [Store] to
// sessions: it ends those whose token was revoked, after the revocation's grace, and gives the
// others the new grant of their token. Call it before clients can connect. The caller of a method
// such as [Authority.Revoke] does so itself for the sessions of its own server.
func (a *Authority) Attach(s Sessions) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions = s
}

// foreign are changes by other authorities that are in force, and that sessions do not reflect yet.
type foreign struct {
	cuts   []*cut
	any    cut                 // what all cuts together revoke
	grants map[string]*regrant // by the ID of the changed token
}

// A cut is one revocation by another authority.
type cut struct {
	change  string
	grace   time.Duration
	revoked revocations     // only those of this change
	deleted map[string]bool // IDs of tokens
	any     bool            // it stands for changes that were not read, and may have revoked anything
}

// matches reports whether the change revokes the grant.
func (c *cut) matches(g *access.Grant, leeway time.Duration) bool {
	return c.any || c.deleted[g.TokenID] || c.revoked.match(g, leeway)
}

// A regrant is the new grant of a token that other authorities have changed.
type regrant struct {
	grant   *access.Grant
	changes []string // their Changes
}

// before returns the grants that the tokens of the lines have before the lines are applied.
func (*foreign) before(s *state, lines []*line) map[string]*access.Grant {
	grants := make(map[string]*access.Grant)
	for _, l := range lines {
		if t := s.tokens.get(l.ID); l.Op == opToken && t != nil {
			grants[l.ID] = t.grant
		}
	}
	return grants
}

// add records lines that have been applied.
func (f *foreign) add(s *state, lines []*line, before map[string]*access.Grant) {
	for _, l := range lines {
		switch l.Op {
		case opRevoke:
			f.cutOf(l).revoked.put(l.Target, l.span())
			f.any.revoked.put(l.Target, l.span())
		case opDelete:
			f.cutOf(l).deleted[l.ID] = true
			if f.any.deleted == nil {
				f.any.deleted = make(map[string]bool)
			}
			f.any.deleted[l.ID] = true
		case opToken:
			t := s.tokens.get(l.ID)
			if before[l.ID] == nil || t == nil || t.grant == before[l.ID] && l.Change == "" {
				continue // the token is new, is deleted again, or has the same grant, and nobody counts its sessions
			}
			if f.grants == nil {
				f.grants = make(map[string]*regrant)
			}
			if f.grants[l.ID] == nil {
				f.grants[l.ID] = new(regrant)
			}
			g := f.grants[l.ID]
			g.grant = t.grant
			if l.Change != "" {
				g.changes = append(g.changes, l.Change)
			}
		}
	}
}

// cutOf returns the cut to which a line belongs.
func (f *foreign) cutOf(l *line) *cut {
	grace := time.Duration(l.Grace) * time.Second
	if n := len(f.cuts); n > 0 && f.cuts[n-1].change == l.Change && f.cuts[n-1].grace == grace {
		return f.cuts[n-1]
	}
	c := &cut{change: l.Change, grace: grace, deleted: make(map[string]bool)}
	f.cuts = append(f.cuts, c)
	return c
}

// follow applies the changes of other authorities, to the state and to sessions, until ctx is done.
func (a *Authority) follow(ctx context.Context) {
	failing := false
	for {
		after, _ := a.updateSessions(nil) // it reads nothing, so it cannot fail
		if failing {
			select {
			case <-ctx.Done():
			case <-time.After(followAgain):
			}
		}
		err := a.store.Wait(ctx, after)
		if err == nil {
			a.writing.Lock()
			if err = a.catchUp(ctx); err == nil {
				a.compact(ctx)
			}
			a.writing.Unlock()
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			a.options.Log.Warn("changes of tokens, keys and revocations by other servers cannot be read; trying again", "error", err)
		}
		failing = err != nil
	}
}

// updateSessions calls read, if it is not nil, and applies the changes by other authorities to the
// sessions. It returns the position up to which the sessions reflect the changes, and read's error.
func (a *Authority) updateSessions(read func() error) (at uint64, err error) {
	a.updating.Lock()
	defer a.updating.Unlock()
	a.writing.Lock()
	if read != nil {
		err = read()
	}
	at = a.at
	f := a.foreign
	a.foreign = foreign{}
	a.writing.Unlock()

	a.mu.RLock()
	sessions := a.sessions
	a.mu.RUnlock()
	if sessions == nil {
		return at, err
	}
	for _, g := range f.grants {
		n := sessions.Regrant(g.grant)
		for _, change := range g.changes {
			a.affected.add(change, n)
		}
	}
	var graces []time.Duration // each once
	for _, c := range f.cuts {
		a.affected.add(c.change, 0)
		if !slices.Contains(graces, c.grace) {
			graces = append(graces, c.grace)
		}
	}
	slices.Sort(graces) // a session that two changes revoke gets the shorter grace
	for _, grace := range graces {
		sessions.RevokeSessions(func(g *access.Grant) bool {
			// Most grants are not revoked, and f.any finds them fast. A revocation may have been canceled.
			if !f.any.matches(g, a.leeway()) || fault.Of(a.Valid(g)) != fault.TokenRevoked {
				return false
			}
			for _, c := range f.cuts {
				if c.grace == grace && c.matches(g, a.leeway()) {
					a.affected.add(c.change, 1)
					return true
				}
			}
			return false
		}, grace)
	}
	return at, err
}

// Position returns the position in the [Store] up to which the authority has read it. The changes
// that the authority has made are before it. It is 0 without a store.
func (a *Authority) Position() uint64 {
	a.writing.Lock()
	defer a.writing.Unlock()
	return a.at
}

// ApplyUpTo returns when the changes of other authorities up to a position in the [Store] are
// applied, also to the sessions of [Authority.Attach]. It returns the number of these sessions to
// which the [Revocation] or [TokenChange] with the given Change applied. The number is 0 if there
// were more than 1000 later changes.
func (a *Authority) ApplyUpTo(ctx context.Context, position uint64, change string) (sessions int, err error) {
	at, err := a.updateSessions(func() error {
		if a.store == nil || a.at >= position {
			return nil
		}
		return a.catchUp(ctx)
	})
	if at < position {
		return 0, fmt.Errorf("the store of tokens, keys and revocations could be read only to position %d, not to %d: %w",
			at, position, cmp.Or(err, errors.New("it has no later changes")))
	}
	a.updating.Lock()
	defer a.updating.Unlock()
	return a.affected.sessions[change], nil
}

// maxAffected is the number of changes whose sessions are remembered. The authority that made a
// change asks for them at once, so only those of about a second are needed.
const maxAffected = 1000

// affected has the number of sessions to which each of the newest changes of others applied.
type affected struct {
	sessions map[string]int // by Change
	order    []string       // the keys, oldest first
}

// add adds sessions to a change.
func (s *affected) add(change string, n int) {
	if change == "" {
		return
	}
	if s.sessions == nil {
		s.sessions = make(map[string]int)
	}
	if _, known := s.sessions[change]; !known {
		if len(s.order) == maxAffected {
			delete(s.sessions, s.order[0])
			s.order = slices.Delete(s.order, 0, 1)
		}
		s.order = append(s.order, change)
	}
	s.sessions[change] += n
}
