package auth

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// This file writes changes to the store and applies them to the state.

// storeTimeout is how long one call of the store may take.
const storeTimeout = 15 * time.Second

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
	a.fence, _ = a.store.(Fence)
	err := a.readStore(ctx)
	if err == nil && a.options.Store != nil {
		err = a.shareNames(ctx)
	}
	if err != nil && a.options.Store == nil {
		err = errors.Join(err, a.store.Close())
	}
	return err
}

// readStore applies the lines of a store that is just opened. Nobody else can see the state yet.
func (a *Authority) readStore(ctx context.Context) (err error) {
	a.at, err = a.store.Replay(ctx, a.at, a.state.applyText)
	for errors.Is(err, ErrCompacted) {
		a.state = newState()
		a.at, err = a.store.Replay(ctx, 0, a.state.applyText)
	}
	return err
}

// shareNames makes the first authority on a store write down the key of users' names, so that all
// have the same one.
func (a *Authority) shareNames(ctx context.Context) error {
	for !a.state.namesShared {
		l := &line{Op: opNames, Names: &a.state.names}
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

// decide is one attempt of change.
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
