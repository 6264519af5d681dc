package auth

import (
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
	newName     = "auth.jsonl.new" // becomes the journal when it is complete
	lockName    = "auth.lock"

	// slack is the minimum number of obsolete lines before compact rewrites a journal. A journal
	// with fewer needed lines is small.
	slack = 10_000
)

var errLocked = errors.New("another process uses it, probably a running server. " +
	"Use the API of that server, stop it first, or choose another directory with --data-dir")

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
	lock *dirLock
	file file
	info fs.FileInfo // identifies the file
	made bool        // there was none

	size      int64 // up to which it is written, and not a byte further
	lines     int
	sealed    int // lines that were written with the file at once; its head contains their number
	chain     chain
	rewriteAt int                   // lines from which on it is written anew
	broken    atomic.Pointer[error] // why nothing can be written any more
}

func (j *journal) path() string { return filepath.Join(j.dir, journalName) }

// openJournal opens or creates the journal in a directory, and reads it into the state.
func openJournal(dir string, log *slog.Logger, s *state) (*journal, error) {
	dir, err := filepath.Abs(dir) // for messages: operators look for it from other directories
	if err != nil {
		return nil, fmt.Errorf("find the directory for tokens, keys and revocations: %w", err)
	}
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("make the directory for tokens, keys and revocations: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("lock the directory %s: %w", dir, err)
	}
	j := &journal{dir: dir, log: log, lock: lock}
	if s.names, err = openNameKey(dir); err != nil {
		return nil, errors.Join(err, j.close())
	}
	if err := j.open(s); err != nil {
		return nil, errors.Join(err, j.close())
	}
	return j, nil
}

// makeDir creates a directory if there is none, and syncs its name to disk. If a crash removed
// the directory, the keys would be lost, and the API would be open.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(filepath.Clean(dir)))
}

func (j *journal) open(s *state) error {
	if err := os.Remove(filepath.Join(j.dir, newName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // a crash has left it there, and it will be in the way
	}
	// A symbolic link to a missing target, for example on a disk that is not mounted, is a journal
	// that cannot be read. It must not be replaced by a new journal.
	if _, err := os.Lstat(j.path()); errors.Is(err, fs.ErrNotExist) {
		j.made = true
		return j.rewrite(s)
	}
	f, err := os.OpenFile(j.path(), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open the file of tokens, keys and revocations: %w", err)
	}
	j.file = f
	if j.info, err = f.Stat(); err != nil {
		return err
	}
	read, err := load(f, s)
	if err != nil {
		return j.unreadable(err)
	}
	j.lines, j.size, j.sealed, j.chain = read.lines, read.size, read.written, read.chain
	if read.torn > 0 {
		j.log.Warn("the last line of the file is incomplete, as after a crash; it was never acknowledged, and the server drops it",
			"file", j.path(), "line", j.lines+1, "bytes", read.torn)
		if err := f.Truncate(j.size); err != nil {
			return fmt.Errorf("remove the incomplete end of %s: %w", j.path(), err)
		}
	}
	j.plan(s)
	if read.version == journalVersion && !read.bare {
		j.seal(s)
		return nil
	}
	if err := j.rewrite(s); err != nil {
		return fmt.Errorf("rewrite %s with checksums: %w. Nothing was changed", j.path(), err)
	}
	if read.version != journalVersion {
		j.log.Info("the file of tokens, keys and revocations now has checksums; older servers can no longer read it", "file", j.path())
	}
	return nil
}

// unreadable returns an error with the fault of the file and the remedy.
func (j *journal) unreadable(err error) error {
	var d *damage
	if !errors.As(err, &d) {
		return fmt.Errorf("read %s: %w", j.path(), err)
	}
	and := ""
	if d.cut {
		and = fmt.Sprintf(" `truncate -s %d %s` keeps the lines before it and loses all changes from that line on, including revocations.", d.at, j.path())
	}
	return fmt.Errorf("%s: %w. Nothing was changed. Replace the file with a backup.%s "+
		"To start without tokens, keys and revocations, move the file away, and make a key with `boreas key new NAME --verbs=admin --data-dir=%s` before the server starts: "+
		"without keys the API is open", j.path(), d, and, j.dir)
}

// gone reports whether the file has been deleted or renamed since it was opened; replaced
// reports whether another file is in its place.
func (j *journal) gone() (gone, replaced bool) {
	info, err := os.Stat(j.path())
	if errors.Is(err, fs.ErrNotExist) {
		return true, false
	}
	return false, err == nil && !os.SameFile(info, j.info)
}

// append writes lines, all or none. When it returns without error they are on disk, or, if
// that was not asked for, will be some time.
func (j *journal) append(sync bool, lines ...*line) error {
	if err := j.broken.Load(); err != nil {
		return *err
	}
	if gone, replaced := j.gone(); gone || replaced {
		return fmt.Errorf("write to %s: the file was deleted or replaced while the server runs: put it back", j.path())
	}
	var text []byte
	chain := j.chain
	for _, l := range lines {
		object, err := json.Marshal(l)
		if err != nil {
			return fmt.Errorf("write to %s: %w", j.path(), err)
		}
		text = chain.seal(text, object)
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
	j.chain = chain
	return nil
}

func (j *journal) breakDown(err error) {
	err = fmt.Errorf("an earlier write to %s failed, so the server writes nothing more to it; correct the cause and restart the server: %w", j.path(), err)
	j.broken.Store(&err)
	j.log.Error("the server can no longer store changes of tokens, keys and revocations", "error", err)
}

func (j *journal) close() error {
	var err error
	if j.file != nil {
		err = j.file.Close()
	}
	return errors.Join(err, j.lock.close())
}
