package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// Migrate copies the tokens, keys and revocations in the directory of a server that does not run to a
// store that authorities share. All are copied, or none. It may be repeated: if the store has one of them
// already, all were copied before, and Migrate does nothing, because they may have been deleted or revoked
// since. It returns how many it has copied. Errors: [ErrNotNew]; those of [Open] and [Store].
func Migrate(ctx context.Context, dataDir string, to Store, log *slog.Logger) (Kept, error) {
	var copied Kept
	if _, err := os.Lstat(filepath.Join(dataDir, journalName)); errors.Is(err, fs.ErrNotExist) {
		return copied, nil
	}
	from, err := Open(Options{DataDir: dataDir, Log: log})
	if err != nil {
		return copied, err
	}
	defer from.Close() //nolint:errcheck // nothing was changed
	for {
		theirs := newState()
		at, err := to.Replay(ctx, 0, theirs.applyText)
		if errors.Is(err, ErrCompacted) {
			continue
		}
		if err != nil {
			return copied, err
		}
		lines, kept, err := from.missingIn(theirs)
		if err != nil || len(lines) == 0 {
			return kept, err
		}
		if _, err = to.Append(ctx, at, lines...); !errors.Is(err, ErrConflict) {
			return kept, err
		}
	}
}

// missingIn returns the lines that a shared store with the given state lacks, none if they were copied
// before.
func (a *Authority) missingIn(theirs *state) (lines [][]byte, kept Kept, err error) {
	ours := a.state
	if ours.live() == 1 || ours.sharesAny(theirs) {
		return nil, kept, nil
	}
	if theirs.serial > 0 || len(theirs.byHash) > 0 || theirs.revocations.len() > 0 {
		return nil, kept, ErrNotNew
	}
	add := func(l *line) error {
		text, err := json.Marshal(l)
		lines = append(lines, text)
		return err
	}
	if !theirs.namesShared {
		err = add(&line{Op: opNames, Names: &ours.names, Serial: ours.serial})
	}
	err = errors.Join(err, ours.contents().lines(func(l *line) error {
		switch {
		case l.Op == opToken:
			kept.Tokens++
		case l.Op == opKey && !l.Revoked:
			kept.Keys++
		case l.Op == opRevoke:
			kept.Revocations++
		}
		return add(l)
	}))
	if err != nil {
		return nil, Kept{}, fmt.Errorf("write the lines of tokens, keys and revocations: %w", err)
	}
	return lines, kept, nil
}

// sharesAny reports whether two states have a token, a key or a revocation in common.
func (s *state) sharesAny(with *state) bool {
	for hash := range s.byHash {
		if with.byHash[hash] != nil {
			return true
		}
	}
	for id := range s.keyIDs {
		if with.keyIDs[id] != nil {
			return true
		}
	}
	for mark := range s.revocations.spans {
		if _, ok := with.revocations.spans[mark]; ok {
			return true
		}
	}
	return false
}

// ErrNotNew means that the serial numbers of a directory and of a store cannot be compared.
var ErrNotNew = errors.New("the cluster has had tokens or revocations of its own, so it is not known whether those of the directory came before or after: " +
	"a revocation could have no effect; migrate to a cluster that has none")
