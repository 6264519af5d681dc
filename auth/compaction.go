package auth

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// plan says when the journal is to be written anew: once most of it is history.
func (j *journal) plan(s *state) { j.rewriteAt = 2*s.live() + slack }

// compact writes the journal anew, if it is time. A failure is logged, and tried again
// later: what the journal had is still there.
func (j *journal) compact(s *state) {
	if j.lines < j.rewriteAt || j.broken.Load() != nil {
		return
	}
	before := j.size
	if err := j.rewrite(s); err != nil {
		j.rewriteAt = 2 * j.lines
		j.log.Error("writing the file of tokens, keys and revocations anew failed: it grows on", "error", err, "file", j.path())
		return
	}
	j.plan(s)
	j.log.Info("the file of tokens, keys and revocations was written anew", "file", j.path(), "bytes_before", before, "bytes", j.size)
}

func (j *journal) rewrite(s *state) error {
	name := filepath.Join(j.dir, newName)
	lines, size, err := writeState(name, s)
	if err != nil {
		return errors.Join(err, os.Remove(name))
	}
	// Not every system renames onto a file that is open. All that was acknowledged is
	// on disk, so there is nothing that closing could lose.
	j.file.Close() //nolint:errcheck
	renameErr := os.Rename(name, j.path())
	f, err := os.OpenFile(j.path(), os.O_RDWR, 0o600)
	if err != nil {
		j.breakDown(err)
		return errors.Join(renameErr, err)
	}
	j.file = f
	if renameErr != nil {
		return renameErr // it is the old one
	}
	j.lines, j.size = lines, size
	if err := syncDir(j.dir); err != nil {
		// After a crash the old file could be there, without what follows.
		j.breakDown(err)
		return err
	}
	return nil
}

// writeState writes a journal that makes the state.
func writeState(name string, s *state) (lines int, size int64, err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, 0, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	var text []byte
	err = s.lines(func(l *line) error {
		var err error
		if text, err = l.appendTo(text[:0]); err != nil {
			return err
		}
		lines++
		size += int64(len(text))
		_, err = w.Write(text)
		return err
	})
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return 0, 0, fmt.Errorf("write %s: %w", name, err)
	}
	return lines, size, nil
}
