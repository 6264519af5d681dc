//go:build unix

package dirlock

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Lock keeps other processes out of a directory. The lock is on the directory itself: a
// file in it may be deleted or renamed, after which another process would lock another file. The
// system releases the lock when the process ends for any reason.
type Lock struct {
	dir *os.File

	// file is the file that is locked by servers that do not lock the directory: older ones, and
	// servers on a file system that only locks files, such as NFS.
	file *os.File
}

// Acquire locks the directory for this process. The name is that of the lock file, which it creates
// in the directory. The error is [ErrHeld] if another process has the lock.
func Acquire(dir, name string) (*Lock, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := lockFile(d); errors.Is(err, ErrHeld) {
		return nil, errors.Join(err, d.Close())
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	l := &Lock{d, f}
	if err := lockFile(f); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrHeld
	}
	return err
}

// Sync writes the names in the directory to disk. It opens nothing, so that it works when the
// process has no free file descriptors.
func (l *Lock) Sync() error { return l.dir.Sync() }

// Close releases the lock.
func (l *Lock) Close() error { return errors.Join(l.file.Close(), l.dir.Close()) }

// Sync writes the names in a directory to disk.
func Sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
