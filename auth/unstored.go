package auth

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

// unstoredAgain is the interval at which the server retries to store revocations that it could
// not store.
const unstoredAgain = 5 * time.Second

// An unstored is a revocation that is in force but not on disk.
type unstored struct {
	line *line // the line to be stored

	// standIn is the target of a revocation of a token, until the line is stored and deletes the
	// token. The token itself stays until then, so that the request can be repeated. The zero value
	// means that there is none.
	standIn target
}

// inForce returns the line that puts the revocation in force until it is stored.
func (u *unstored) inForce() *line {
	if u.standIn != (target{}) {
		return &line{Op: opRevoke, Target: u.standIn}
	}
	return u.line
}

// unstoredKey identifies the target of a revocation: a repeated revocation replaces the first.
type unstoredKey struct {
	op, id string
	target target
}

// notStored logs why something could not be stored, and returns the caller's error. The error
// contains the system's reason but not the path of the files, which is secret.
func (a *Authority) notStored(err error) error {
	a.options.Log.Error("a change of tokens, keys or revocations could not be stored", "error", err)
	where := "the directory of tokens, keys and revocations (data_dir)"
	if a.options.Store != nil {
		where = "the store of tokens, keys and revocations"
	}
	why := "the server's log says why"
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		why = errno.Error()
	}
	return fault.NotStored.With("The server cannot write to " + where + ": " + why + ". Nothing was changed.")
}

// settle records that everything is stored. The caller holds writing.
func (a *Authority) settle() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, u := range a.unstored {
		a.state.apply(u.line) //nolint:errcheck // it is already in force; this only deletes the token
		if k := a.keyWithID(u.line.ID); k != nil {
			k.unstored = false
		}
		if u.standIn != (target{}) {
			a.state.revocations.remove(u.standIn)
		}
	}
	a.unstored = nil
	a.unstoredCount.Store(0)
}

// enforce puts a revocation in force that could not be stored. It is stored as soon as possible:
// with the next change, or by a retry. The caller holds writing.
func (a *Authority) enforce(l *line) {
	u := unstored{line: l}
	if l.Op == opDelete {
		u.standIn = targetOf(targetToken, l.ID)
	}
	if err := a.apply(u.inForce()); err != nil {
		a.options.Log.Error("a revocation could not be applied", "error", err)
		return
	}
	a.mu.Lock()
	if k := a.keyWithID(l.ID); k != nil {
		k.unstored = true
	}
	a.mu.Unlock()
	if a.unstored == nil {
		a.unstored = make(map[unstoredKey]unstored)
	}
	a.unstored[unstoredKey{l.Op, l.ID, l.Target}] = u
	a.unstoredCount.Store(int64(len(a.unstored)))
	if a.again == nil {
		a.again = time.AfterFunc(unstoredAgain, a.storeAgain)
	}
}

// flush stores the lines that could not be stored. The caller holds writing. Error:
// fault.NotStored.
func (a *Authority) flush() error {
	for {
		if err := a.write(); !errors.Is(err, ErrConflict) {
			return err
		}
		if err := a.catchUp(context.Background()); err != nil {
			return a.notStored(err)
		}
	}
}

// storeAgain retries to store the lines that could not be stored.
func (a *Authority) storeAgain() {
	a.writing.Lock()
	defer a.writing.Unlock()
	a.again = nil
	if a.closed || len(a.unstored) == 0 {
		return
	}
	if a.flush() == nil {
		return
	}
	if j, ok := a.store.(*journal); ok && j.Ready() != nil {
		return // only a restart helps
	}
	a.again = time.AfterFunc(unstoredAgain, a.storeAgain)
}

// storeLast is the last attempt, during Close. The caller holds writing.
func (a *Authority) storeLast() error {
	if a.again != nil {
		a.again.Stop()
	}
	if n := len(a.unstored); n > 0 && a.flush() != nil {
		return fmt.Errorf("%d revocations are not stored and so will not be in force after a restart: repeat them", n)
	}
	return nil
}

// unstoredReady returns an error while a restart would forget revocations.
func (a *Authority) unstoredReady() error {
	if n := a.unstoredCount.Load(); n > 0 {
		return fmt.Errorf("%d revocations are in force but not stored: the server cannot write to data_dir, and a restart would lose them", n)
	}
	return nil
}
