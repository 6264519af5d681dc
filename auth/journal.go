package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/internal/dirlock"
)

const (
	journalName = "auth.jsonl"
	newName     = "auth.jsonl.new" // becomes the journal when it is complete
	lockName    = "auth.lock"

	// slack is the minimum number of obsolete lines before compact rewrites a journal. A journal
	// with fewer needed lines is small.
	slack = 10_000
)

var errLocked = fmt.Errorf("%w, probably a running server. "+
	"Use the API of that server, stop it first, or choose another directory with --data-dir", dirlock.ErrHeld)

// file is the part of [os.File] that a journal uses.
type file interface {
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Close() error
}

// A journal is the [Store] of one authority in a directory: a file of lines with checksums. It has
// the directory for itself, so nobody else adds lines. When most lines are obsolete it rewrites the
// file from the authority's state.
//
// Except for broken, its fields are guarded as a Store's methods are: the authority calls one at a
// time.
type journal struct {
	// Immutable.
	dir   string
	log   *slog.Logger
	lock  *dirlock.Lock
	state *state // that results from the lines; read in calls of the authority only

	file file        // nil before the first Replay
	info fs.FileInfo // identifies the file
	made bool        // there was no file before
	read bool        // the file is complete in the state

	last      uint64 // position of the last line: the number of lines since there was a file
	size      int64  // bytes of the file that are lines
	lines     int    // of the file
	sealed    int    // lines that the file was written with; its head contains their number
	hasNewKey bool   // a line about a key was appended and not sealed
	chain     chain
	rewriteAt int                   // number of lines at which the file is rewritten
	broken    atomic.Pointer[error] // why nothing can be written any more
}

func (j *journal) path() string { return filepath.Join(j.dir, journalName) }

// openJournal locks a directory, and returns the journal in it. It creates the directory if there
// is none. The journal is to be read into the state.
func openJournal(dir string, log *slog.Logger, s *state) (*journal, error) {
	dir, err := filepath.Abs(dir) // for messages: operators look for it from other directories
	if err != nil {
		return nil, fmt.Errorf("find the directory for tokens, keys and revocations: %w", err)
	}
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("make the directory for tokens, keys and revocations: %w", err)
	}
	lock, err := dirlock.Acquire(dir, lockName)
	if errors.Is(err, dirlock.ErrHeld) {
		err = errLocked
	}
	if err != nil {
		return nil, fmt.Errorf("lock the directory %s: %w", dir, err)
	}
	j := &journal{dir: dir, log: log, lock: lock, state: s}
	if s.names, err = openNameKey(dir); err != nil {
		return nil, errors.Join(err, j.Close())
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
	return dirlock.Sync(filepath.Dir(filepath.Clean(dir)))
}

// Replay implements [Store]. The first call opens the file, or creates it. Later calls have nothing
// to return.
func (j *journal) Replay(_ context.Context, after uint64, apply func(line []byte) error) (uint64, error) {
	if j.file != nil {
		return after, nil
	}
	if err := j.open(apply); err != nil {
		return 0, err
	}
	j.read = true
	j.compact()
	return j.last, nil
}

func (j *journal) open(apply func(line []byte) error) error {
	if err := os.Remove(filepath.Join(j.dir, newName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // a crash has left it there, and it will be in the way
	}
	// A symbolic link to a missing target, for example on a disk that is not mounted, is a journal
	// that cannot be read. It must not be replaced by a new journal.
	if _, err := os.Lstat(j.path()); errors.Is(err, fs.ErrNotExist) {
		j.made = true
		return j.rewrite()
	}
	f, err := os.OpenFile(j.path(), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open the file of tokens, keys and revocations: %w", err)
	}
	j.file = f
	if j.info, err = f.Stat(); err != nil {
		return err
	}
	read, err := load(f, apply)
	if err != nil {
		return j.unreadable(err)
	}
	j.lines, j.size, j.sealed, j.chain = read.lines, read.size, read.written, read.chain
	j.last = uint64(read.lines)
	if read.torn > 0 {
		j.log.Warn("the last line of the file is incomplete, as after a crash; it was never acknowledged, and the server drops it",
			"file", j.path(), "line", j.lines+1, "bytes", read.torn)
		if err := f.Truncate(j.size); err != nil {
			return fmt.Errorf("remove the incomplete end of %s: %w", j.path(), err)
		}
	}
	j.plan()
	if read.version == journalVersion && !read.bare {
		j.seal()
		return nil
	}
	if err := j.rewrite(); err != nil {
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

// Wait implements [Store]. Nobody else adds lines.
func (*journal) Wait(ctx context.Context, _ uint64) error {
	<-ctx.Done()
	return ctx.Err()
}

// Append implements [Store].
func (j *journal) Append(ctx context.Context, after uint64, lines ...[]byte) (uint64, error) {
	if after != j.last {
		return 0, ErrConflict
	}
	if gone, _ := j.gone(); gone {
		j.log.Error("the file of tokens, keys and revocations was deleted while the server runs; the server rewrites it", "file", j.path())
		if err := j.rewrite(); err != nil {
			return 0, err
		}
	}
	if err := j.append(ctx, true, lines); err != nil {
		return 0, err
	}
	j.last += uint64(len(lines))
	return j.last, nil
}

// Note implements [Store].
func (j *journal) Note(ctx context.Context, lines ...[]byte) error {
	return j.append(ctx, false, lines)
}

// append writes lines, all or none. If sync is false, the system writes them to disk some time
// later.
func (j *journal) append(ctx context.Context, sync bool, lines [][]byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := j.Ready(); err != nil {
		return err
	}
	if gone, replaced := j.gone(); gone || replaced {
		return fmt.Errorf("write to %s: the file was deleted or replaced while the server runs: put it back", j.path())
	}
	var text []byte
	chain := j.chain
	for _, l := range lines {
		text = chain.seal(text, l)
	}
	if _, err := j.file.WriteAt(text, j.size); err != nil {
		if backErr := j.file.Truncate(j.size); backErr != nil {
			j.breakDown(backErr) // the file may contain a part of a line
		}
		return fmt.Errorf("write to %s: %w", j.path(), err)
	}
	if sync {
		if err := j.file.Sync(); err != nil {
			// The system may have dropped the data that it could not write, so a second sync could
			// succeed without any effect.
			j.file.Truncate(j.size) //nolint:errcheck // the lines may be there after a restart
			j.breakDown(err)
			return j.Ready()
		}
	}
	j.size += int64(len(text))
	j.lines += len(lines)
	j.chain = chain
	for _, l := range lines {
		j.hasNewKey = j.hasNewKey || bytes.HasPrefix(l, keyLine)
	}
	return nil
}

// keyLine is the beginning of each line about a key.
var keyLine = []byte(`{"op":"` + opKey + `"`)

// applied does the work that needs the state with the lines of the last Append.
func (j *journal) applied() {
	j.compact()
	if j.hasNewKey {
		j.hasNewKey = false
		j.seal()
	}
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

func (j *journal) breakDown(err error) {
	err = fmt.Errorf("an earlier write to %s failed, so the server writes nothing more to it; correct the cause and restart the server: %w", j.path(), err)
	j.broken.Store(&err)
	j.log.Error("the server can no longer store changes of tokens, keys and revocations", "error", err)
}

// Ready implements [Store].
func (j *journal) Ready() error {
	if err := j.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Close implements [Store].
func (j *journal) Close() error {
	var err error
	if j.read {
		j.seal()
	}
	if j.file != nil {
		err = j.file.Close()
	}
	return errors.Join(err, j.lock.Close())
}
