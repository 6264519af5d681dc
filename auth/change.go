package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/fault"
)

// This file writes changes to the store and applies them to the state. It also applies the changes
// that other authorities write to the same store.

const (
	// storeTimeout is how long one call of the store may take.
	storeTimeout = 15 * time.Second

	// followAgain is the interval at which an authority retries to read the changes of others.
	followAgain = time.Second
)

// openStore opens the store and reads it.
func (a *Authority) openStore(ctx context.Context) error {
	if a.store = a.options.Store; a.options.DataDir != "" {
		j, err := openJournal(a.options.DataDir, a.options.Log, a.state)
		if err != nil {
			return err
		}
		a.store = j
	}
	if a.store == nil {
		return nil
	}
	err := a.readStore(ctx)
	if err == nil && a.options.Store != nil {
		err = a.shareNames(ctx)
	}
	if err != nil {
		return errors.Join(err, a.store.Close())
	}
	return nil
}

// readStore applies the lines of a store that is just opened. Nobody else can see the state yet.
func (a *Authority) readStore(ctx context.Context) (err error) {
	a.at, err = a.store.Replay(ctx, a.at, a.state.applyText)
	return err
}

// shareNames makes the first authority on a store write down the key of users' names, so that all
// have the same one.
func (a *Authority) shareNames(ctx context.Context) error {
	for !a.state.namesShared {
		l := &line{Op: opNames, Names: a.state.names}
		text, err := json.Marshal(l)
		if err != nil {
			return err
		}
		last, err := a.store.Append(ctx, a.at, text)
		switch {
		case errors.Is(err, ErrConflict):
			err = a.readStore(ctx)
		case err == nil:
			a.at, err = last, a.state.apply(l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// change makes a change. Decide returns its lines, none if there is nothing to do, or why it is not
// possible. It is called again with the new state if the authority had not read the changes of
// others. By is the ID of the API key that requests the change, or "". The caller holds writing.
func (a *Authority) change(by string, decide func() ([]*line, error)) error {
	if a.closed {
		return errors.New("the store of tokens, keys and revocations is closed: the server is shutting down")
	}
	for {
		at := a.at
		lines, err := a.decide(by, decide)
		if err == nil && len(lines) > 0 {
			if err := a.commit(lines...); !errors.Is(err, ErrConflict) {
				return err
			}
		}
		if a.store == nil {
			return err
		}
		unread := a.catchUp(context.Background())
		switch {
		case at != a.at:
		case err == nil && unread != nil:
			return a.notStored(unread)
		case err != nil || len(lines) == 0:
			return err
		}
	}
}

func (a *Authority) decide(by string, decide func() ([]*line, error)) ([]*line, error) {
	if err := a.validMaker(by); err != nil {
		return nil, err
	}
	return decide()
}

// commit stores lines, and then applies them. They must be lines that apply accepts. The caller
// holds writing. Errors: fault.NotStored and [ErrConflict].
func (a *Authority) commit(lines ...*line) error {
	if err := a.write(lines...); err != nil {
		return err
	}
	if err := a.apply(lines...); err != nil {
		return err
	}
	if j, ok := a.store.(*journal); ok {
		j.applied()
	}
	return nil
}

// write stores lines, together with those that could not be stored before. The caller holds
// writing. Errors: fault.NotStored and [ErrConflict].
func (a *Authority) write(lines ...*line) error {
	if a.store == nil {
		return nil
	}
	if err := a.failed.Load(); err != nil {
		return a.notStored(*err)
	}
	all := make([]*line, 0, len(a.unstored)+len(lines))
	for _, u := range a.unstored {
		all = append(all, u.line)
	}
	all = append(all, lines...)
	texts := make([][]byte, len(all))
	for i, l := range all {
		var err error
		if texts[i], err = json.Marshal(l); err != nil {
			return a.notStored(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	last, err := a.store.Append(ctx, a.at, texts...)
	switch {
	case errors.Is(err, ErrConflict):
		return ErrConflict
	case err != nil:
		return a.notStored(err)
	}
	a.at = last
	if len(a.unstored) > 0 {
		a.options.Log.Info("the revocations that could not be stored are stored now", "revocations", len(a.unstored))
		a.settle()
	}
	return nil
}

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
	before := a.foreign.before(a.state, lines)
	if applied := a.apply(lines...); applied != nil {
		unread = applied
	}
	a.at = last
	a.foreign.add(a.state, lines, before)
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

// add notes the lines, which have been applied.
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
		a.tell(changes)
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

// tell applies changes by other authorities to the sessions.
func (a *Authority) tell(f foreign) {
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
