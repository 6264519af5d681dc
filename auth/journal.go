package auth

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
)

const (
	journalName = "auth.jsonl"
	newName     = "auth.jsonl.new" // what becomes the journal when it is complete
	lockName    = "auth.lock"      // apart from the journal, which gets another file

	// maxLine is the greatest length of a line: well above a token's with as many
	// rules as there may be.
	maxLine = 1 << 20

	readSize = 64 << 10 // bytes that are read at once

	// slack is how many lines that are needed no more are kept at least.
	slack = 10_000
)

var errLocked = errors.New("another process has it: a running server, most likely. " +
	"Use that one's API, stop it first, or choose another directory with --data-dir")

// file is what the journal needs of an [os.File].
type file interface {
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Close() error
}

// A journal is the file in which an authority's changes stand, one a line. What append
// has returned for is on disk. Its owner guards it.
type journal struct {
	dir  string
	log  *slog.Logger
	lock *os.File
	file file

	size      int64 // up to which it is written, and not a byte further
	lines     int
	rewriteAt int                   // lines from which on it is written anew
	broken    atomic.Pointer[error] // why nothing can be written any more
}

func (j *journal) path() string { return filepath.Join(j.dir, journalName) }

// openJournal opens or makes the journal in a directory, and reads it into the state.
func openJournal(dir string, log *slog.Logger, s *state) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory for tokens, keys and revocations: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the directory of tokens, keys and revocations: %w", err)
	}
	j := &journal{dir: dir, log: log, lock: lock}
	if err := lockFile(lock); err != nil {
		err = fmt.Errorf("lock the directory %s: %w", dir, err)
		return nil, errors.Join(err, lock.Close())
	}
	if s.names, err = openNameKey(dir); err != nil {
		return nil, errors.Join(err, j.close())
	}
	if err := j.open(s); err != nil {
		return nil, errors.Join(err, j.close())
	}
	return j, nil
}

func (j *journal) open(s *state) error {
	if err := os.Remove(filepath.Join(j.dir, newName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // a crash has left it there, and it will be in the way
	}
	f, err := os.OpenFile(j.path(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the file of tokens, keys and revocations: %w", err)
	}
	j.file = f
	var torn int64
	if j.lines, j.size, torn, err = load(f, s); err != nil {
		return fmt.Errorf("%s: %w. Nothing was changed: put a backup in its place, or correct the line", j.path(), err)
	}
	if torn > 0 {
		j.log.Warn("the last line of the file was not written to its end, as after a crash; it was not acknowledged, and is dropped",
			"file", j.path(), "line", j.lines+1, "bytes", torn)
		if err := f.Truncate(j.size); err != nil {
			return fmt.Errorf("drop the torn end of %s: %w", j.path(), err)
		}
	}
	j.plan(s)
	if j.size > 0 {
		return nil
	}
	if err := j.append(true, &line{Op: opHead, Version: journalVersion}); err != nil {
		return err
	}
	return syncDir(j.dir)
}

// load reads lines into the state, up to the last whole one. After that come torn bytes.
func load(r io.Reader, s *state) (lines int, size, torn int64, err error) {
	b := bufio.NewReaderSize(r, readSize)
	var text []byte
	for {
		text, err = appendLine(text[:0], b)
		switch {
		case err == io.EOF:
			return lines, size, int64(len(text)), nil
		case err == bufio.ErrBufferFull:
			return lines, size, 0, fmt.Errorf("line %d is longer than %d bytes", lines+1, maxLine)
		case err != nil:
			return lines, size, 0, err
		}
		if err := s.read(text, lines == 0); err != nil {
			// Blocks of a write that a crash cut short may be there in another
			// order: the end without what is before it.
			if _, after := b.Peek(1); after == io.EOF && !json.Valid(text) && bytes.IndexByte(text, 0) >= 0 {
				return lines, size, int64(len(text)), nil
			}
			return lines, size, 0, fmt.Errorf("line %d is damaged: %w", lines+1, err)
		}
		lines++
		size += int64(len(text))
	}
}

// appendLine appends the next line with its end. Errors: [io.EOF] if it has none,
// [bufio.ErrBufferFull] if it is too long.
func appendLine(dst []byte, r *bufio.Reader) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		dst = append(dst, part...)
		switch {
		case len(dst) > maxLine:
			return dst, bufio.ErrBufferFull
		case err != bufio.ErrBufferFull:
			return dst, err
		}
	}
}

func (s *state) read(text []byte, first bool) error {
	l, err := readLine(text)
	if err != nil {
		return err
	}
	if first != (l.Op == opHead) {
		return errors.New("the line that says what this is, and of which version, is to be the first and only there")
	}
	return s.apply(l)
}

// append writes lines, all or none. When it returns without error they are on disk, or, if
// that was not asked for, will be some time.
func (j *journal) append(sync bool, lines ...*line) error {
	if err := j.broken.Load(); err != nil {
		return *err
	}
	var text []byte
	for _, l := range lines {
		var err error
		if text, err = l.appendTo(text); err != nil {
			return fmt.Errorf("write to %s: %w", j.path(), err)
		}
	}
	if _, err := j.file.WriteAt(text, j.size); err != nil {
		if backErr := j.file.Truncate(j.size); backErr != nil {
			j.breakDown(backErr) // part of a line may stand there
		}
		return fmt.Errorf("write to %s: %w", j.path(), err)
	}
	if sync {
		if err := j.file.Sync(); err != nil {
			// The system may have forgotten what it could not write: to try again
			// could succeed without any effect.
			j.file.Truncate(j.size) //nolint:errcheck // the lines may be there after a restart
			j.breakDown(err)
			return *j.broken.Load()
		}
	}
	j.size += int64(len(text))
	j.lines += len(lines)
	return nil
}

func (j *journal) breakDown(err error) {
	err = fmt.Errorf("nothing more can be written to %s since that failed; correct the reason and restart the server: %w", j.path(), err)
	j.broken.Store(&err)
	j.log.Error("no change of tokens, keys or revocations can be stored any more", "error", err)
}

func (j *journal) close() error {
	var err error
	if j.file != nil {
		err = j.file.Close()
	}
	return errors.Join(err, j.lock.Close())
}
