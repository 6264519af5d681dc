package auth

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// A dirLock keeps other processes out of a directory. Windows does not allow deleting or
// renaming an open file. It releases the lock when the process ends for any reason.
type dirLock struct{ file *os.File }

// lockDir locks the directory for this process.
func lockDir(dir string) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		err = errLocked
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &dirLock{f}, nil
}

// sync does nothing, because Windows has no such call.
func (l *dirLock) sync() error { return nil }

func (l *dirLock) close() error { return l.file.Close() }

// syncDir does nothing: Windows has no such call.
func syncDir(string) error { return nil }

// replace renames the file next from the name from to the name of the file old, and closes old,
// which may be nil. It returns the file that has the name afterwards, nil if it cannot be
// opened, and whether that is next; if it is not, next is closed. Windows cannot rename an open
// file, or rename onto one.
func replace(next *os.File, old file, from, to string) (f file, renamed bool, err error) {
	next.Close() //nolint:errcheck // it has been synced
	if old != nil {
		old.Close() //nolint:errcheck // every acknowledged change is on disk
	}
	err = os.Rename(from, to)
	again, openErr := os.OpenFile(to, os.O_RDWR, 0o600)
	if openErr != nil {
		return nil, err == nil, errors.Join(err, openErr)
	}
	return again, err == nil, err
}
