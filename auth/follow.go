package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/fault"
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
	a.at = last
	if unread != nil {
		// A line that is left out could have been a revocation, so nothing is read after it.
		unread = fmt.Errorf("a change by another server cannot be read, so no more changes are made or read; restart with the other server's version: %w", unread)
		a.failed.Store(&unread)
		a.options.Log.Error("the store of tokens, keys and revocations cannot be read any more", "error", unread)
		return unread
	}
	return err
}

// Sessions are the sessions that have grants of an Authority. [boreas.Hub] implements it.
type Sessions interface {
	RevokeSessions(match func(*access.Grant) bool, grace time.Duration) int
	Regrant(g *access.Grant) int
}

// Attach makes the authority apply the changes of other authorities on the same [Store] to
// sessions: it ends those whose token was revoked, without a grace, and gives the others the new
// grant of their token. Call it before clients can connect. The caller of a method such as
// [Authority.Revoke] does so itself, because it knows the grace and reports the number of sessions.
func (a *Authority) Attach(s Sessions) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions = s
}

// foreign are changes by other authorities that are in force, and that sessions do not reflect yet.
type foreign struct {
	revoked bool                     // something was revoked or deleted
	grants  map[string]*access.Grant // the new grants of changed tokens, by ID
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
		f.revoked = f.revoked || l.Op == opRevoke || l.Op == opDelete
	}
	for id, grant := range before {
		if t := s.tokens.get(id); t != nil && t.grant != grant {
			if f.grants == nil {
				f.grants = make(map[string]*access.Grant)
			}
			f.grants[id] = t.grant
		}
	}
}

// follow applies the changes of other authorities, to the state and to sessions, until ctx is done.
func (a *Authority) follow(ctx context.Context) {
	failing := false
	for {
		a.writing.Lock()
		after, changes := a.at, a.foreign
		a.foreign = foreign{}
		a.writing.Unlock()
		a.updateSessions(changes)
		if failing {
			select {
			case <-ctx.Done():
			case <-time.After(followAgain):
			}
		}
		err := a.store.Wait(ctx, after)
		if err == nil {
			a.writing.Lock()
			err = a.catchUp(ctx)
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

// updateSessions applies changes by other authorities to the sessions.
func (a *Authority) updateSessions(f foreign) {
	a.mu.RLock()
	sessions := a.sessions
	a.mu.RUnlock()
	if sessions == nil {
		return
	}
	for _, g := range f.grants {
		sessions.Regrant(g)
	}
	if f.revoked {
		sessions.RevokeSessions(func(g *access.Grant) bool { return fault.Of(a.Valid(g)) == fault.TokenRevoked }, 0)
	}
}
