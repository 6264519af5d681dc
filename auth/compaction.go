package auth

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// plan sets when the journal is rewritten: when most of its lines are obsolete.
func (j *journal) plan() { j.rewriteAt = 2*j.state.live() + slack }

// compact rewrites the journal if most of it is obsolete. If that fails, the old journal stays in
// use, and a later call tries again.
func (j *journal) compact() {
	if j.lines < j.rewriteAt || j.broken.Load() != nil {
		return
	}
	before := j.size
	if err := j.rewrite(); err != nil {
		j.rewriteAt = 2 * j.lines
		j.log.Error("rewriting the file of tokens, keys and revocations failed: the file continues to grow", "error", err, "file", j.path())
		return
	}
	j.log.Info("the file of tokens, keys and revocations was rewritten", "file", j.path(), "bytes_before", before, "bytes", j.size)
}

// seal rewrites a small journal if lines were appended to it. Its head then contains the number
// of lines, so a file that is truncated later is recognized as damaged. Otherwise it would look
// like a file that was cut short by a crash.
func (j *journal) seal() {
	if j.lines <= j.sealed || j.state.live() >= slack || j.broken.Load() != nil {
		return
	}
	if err := j.rewrite(); err != nil {
		j.log.Warn("rewriting the file of tokens, keys and revocations failed; the old file is intact", "error", err, "file", j.path())
	}
}

// rewrite replaces the journal with one that produces the same state. If it fails, the old
// journal stays in use. It needs one additional file descriptor until it returns.
func (j *journal) rewrite() error {
	name := filepath.Join(j.dir, newName)
	next, err := writeState(name, j.state)
	if err != nil {
		if removed := os.Remove(name); !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, removed)
		}
		return err
	}
	f, renamed, err := replace(next.file, j.file, name, j.path())
	if !renamed {
		err = errors.Join(err, os.Remove(name))
	}
	if f == nil {
		j.breakDown(err)
		return err
	}
	j.file = f
	if !renamed {
		return err
	}
	j.info = next.info
	j.lines, j.sealed, j.size, j.chain = next.lines, next.lines, next.size, next.chain
	j.plan()
	if err := j.lock.Sync(); err != nil {
		// After a crash the old file could have the name, without the changes that follow.
		j.breakDown(err)
		return err
	}
	return nil
}

// written is a complete journal that does not have its final name yet.
type written struct {
	file  *os.File
	info  fs.FileInfo
	lines int
	size  int64
	chain chain
}

// writeState writes a journal that produces the state.
func writeState(name string, s *state) (*written, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	w := &written{file: f}
	if err = w.write(s); err == nil {
		err = f.Sync()
	}
	if err == nil {
		w.info, err = f.Stat()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", name, err), f.Close())
	}
	return w, nil
}

func (w *written) write(s *state) error {
	b := bufio.NewWriterSize(w.file, 1<<20)
	var text []byte
	err := s.lines(func(l *line) error {
		object, err := json.Marshal(l)
		if err != nil {
			return err
		}
		text = w.chain.seal(text[:0], object)
		w.lines++
		w.size += int64(len(text))
		_, err = b.Write(text)
		return err
	})
	if err == nil && w.lines != s.live() {
		err = fmt.Errorf("the state has %d lines, not the declared %d", w.lines, s.live())
	}
	return errors.Join(err, b.Flush())
}
