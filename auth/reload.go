package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

// This file is about stores that others share: compaction, reading the lines that replace others, and
// stores that are cut off.

// fenced returns a fault while the store is cut off.
func (a *Authority) fenced() error {
	if a.fence == nil || a.fence.Current() == nil {
		return nil
	}
	return fault.AuthUnavailable.With("The server cannot reach the store of tokens, keys and revocations at the moment, so it does not know what was revoked.")
}

// fail makes the authority read and write nothing more, and returns the reason.
func (a *Authority) fail(err error) error {
	a.failed.Store(&err)
	a.options.Log.Error("the store of tokens, keys and revocations cannot be read any more", "error", err)
	return err
}

// compact replaces the lines of the store with those of the state if the store needs it. It returns
// at once. The caller holds writing.
func (a *Authority) compact(ctx context.Context) {
	c, ok := a.store.(Compactor)
	if !ok || a.compacts || len(a.unstored) > 0 { // what is not stored must not be stored by chance
		return
	}
	run := c.Compaction()
	if run == nil {
		return
	}
	a.compacts = true
	lines := a.state.sharedLines()
	a.following.Go(func() {
		if err := run(ctx, lines); err != nil && ctx.Err() == nil {
			a.options.Log.Warn("the store of tokens, keys and revocations could not be compacted: it continues to grow, and another server or a later attempt may succeed", "error", err)
		}
		a.writing.Lock()
		defer a.writing.Unlock()
		a.compacts = false
	})
}

// reload reads the store from its beginning, and replaces the state with the result. The old state is
// in force until then. The caller holds writing.
func (a *Authority) reload(ctx context.Context) error {
	var next *state
	at, err := uint64(0), ErrCompacted
	for errors.Is(err, ErrCompacted) {
		next = newState()
		next.rules = a.state.rules
		at, err = a.store.Replay(ctx, 0, next.applyText)
	}
	if err != nil {
		return err
	}
	if !next.namesShared || next.names != a.state.names {
		return a.fail(errors.New("the store of tokens, keys and revocations was replaced by another one; restart all servers that use it"))
	}
	a.foreign.reloaded(a.state, next)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state, a.at = next, at
	for _, u := range a.unstored {
		if err := a.state.apply(u.inForce()); err != nil {
			return fmt.Errorf("a revocation that is not stored failed: %w", err)
		}
		if k := a.keyWithID(u.line.ID); k != nil {
			k.unstored = true
		}
	}
	return nil
}

// reloaded records the differences between a state and the next one, which was read from the beginning
// of the store. The next state takes over what is not stored, and the grants that have not changed.
func (f *foreign) reloaded(old, next *state) {
	// Revocations that were not read end sessions without their grace, which is gone with their lines.
	f.cuts = append(f.cuts, &cut{any: true, deleted: make(map[string]bool)})
	f.any.any = true
	for id, t := range old.tokens.byID {
		now := next.tokens.get(id)
		switch {
		case t.provided:
			if now == nil && next.byHash[t.hash] == nil && !next.revocations.has(targetOf(targetToken, id)) {
				next.adopt(t)
			}
		case now == nil:
		case t.classic():
			now.text, now.grant = t.text, t.grant
		case now.grant.User == t.grant.User && now.grant.Expires.Equal(t.grant.Expires) && sameRules(now, t):
			now.grant = t.grant
		default:
			if f.grants == nil {
				f.grants = make(map[string]*regrant)
			}
			f.grants[id] = &regrant{grant: now.grant}
		}
	}
	for id, k := range next.keyIDs {
		if was := old.keyIDs[id]; was != nil {
			k.used.Store(max(k.used.Load(), was.used.Load()))
			if was.saved.After(k.saved) {
				k.saved = was.saved
			}
		}
	}
	next.serial = max(next.serial, old.serial)
}

func sameRules(a, b *stored) bool {
	return a.rules == b.rules || a.rules != nil && b.rules != nil &&
		string(AppendRules(nil, a.rules)) == string(AppendRules(nil, b.rules))
}

// adopt adds a provider's token of another state.
func (s *state) adopt(t *stored) {
	s.provided++
	s.byHash[t.hash] = t
	s.tokens.put(t)
	if at := t.grant.Expires; !at.IsZero() {
		s.ends.add(nanos(at), t)
	}
}
