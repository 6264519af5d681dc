package auth

import (
	"errors"
	"os"
)

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
