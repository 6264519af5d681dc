package dirlock

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// A Lock keeps other processes out of a directory. Windows does not allow deleting or
// renaming an open file. It releases the lock when the process ends for any reason.
type Lock struct{ file *os.File }

// Acquire locks the directory for this process. The name is that of the lock file, which it creates
// in the directory. The error is [ErrHeld] if another process has the lock.
func Acquire(dir, name string) (*Lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		err = ErrHeld
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Lock{f}, nil
}

// Sync does nothing, because Windows has no such call.
func (l *Lock) Sync() error { return nil }

// Close releases the lock.
func (l *Lock) Close() error { return l.file.Close() }

// Sync does nothing: Windows has no such call.
func Sync(string) error { return nil }
