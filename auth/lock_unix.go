//go:build unix

package auth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A dirLock keeps other processes out of a directory. The lock is on the directory itself:
// a file in it may be deleted or renamed, and then another process would lock another one.
// The system gives it back when the process ends, however it does.
type dirLock struct {
	dir *os.File

	// file is what servers lock that do not lock the directory: older ones, and those
	// whose file system locks files alone, as NFS does.
	file *os.File
}

// lockDir takes the directory for this process alone.
func lockDir(dir string) (*dirLock, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := lockFile(d); errors.Is(err, errLocked) {
		return nil, errors.Join(err, d.Close())
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	l := &dirLock{d, f}
	if err := lockFile(f); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	return err
}

// sync has the names in the directory written to disk. It opens nothing, so that it works
// when the process has no file descriptor left.
func (l *dirLock) sync() error { return l.dir.Sync() }

func (l *dirLock) close() error { return errors.Join(l.file.Close(), l.dir.Close()) }

// syncDir has the names in a directory written to disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// replace gives the file next, which is called from, the name of the file old, which may be
// nil, and closes old. It returns the file that has the name afterwards, and whether that is
// next; if it is not, next is closed.
func replace(next *os.File, old file, from, to string) (f file, renamed bool, err error) {
	if err := os.Rename(from, to); err != nil {
		next.Close() //nolint:errcheck // it is thrown away
		if old == nil {
			return nil, false, fmt.Errorf("make %s: %w", to, err)
		}
		return old, false, err
	}
	if old != nil {
		old.Close() //nolint:errcheck // all that was acknowledged is in the next one
	}
	return next, true, nil
}
