//go:build unix

package auth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A dirLock keeps other processes out of a directory. The lock is on the directory itself: a
// file in it may be deleted or renamed, after which another process would lock another file. The
// system releases the lock when the process ends for any reason.
type dirLock struct {
	dir *os.File

	// file is the file that is locked by servers that do not lock the directory: older ones, and
	// servers on a file system that only locks files, such as NFS.
	file *os.File
}

// lockDir locks the directory for this process.
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

// sync writes the names in the directory to disk. It opens nothing, so that it works when the
// process has no free file descriptors.
func (l *dirLock) sync() error { return l.dir.Sync() }

func (l *dirLock) close() error { return errors.Join(l.file.Close(), l.dir.Close()) }

// syncDir writes the names in a directory to disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// replace renames the file next, whose name is from, to the name of the file old. It closes old, which
// may be nil. It returns the file that has the name afterwards, and reports whether that file is next.
// If it is not, replace closes next.
func replace(next *os.File, old file, from, to string) (f file, renamed bool, err error) {
	if err := os.Rename(from, to); err != nil {
		next.Close() //nolint:errcheck // it is discarded
		if old == nil {
			return nil, false, fmt.Errorf("make %s: %w", to, err)
		}
		return old, false, err
	}
	if old != nil {
		old.Close() //nolint:errcheck // every acknowledged change is in the next one
	}
	return next, true, nil
}
