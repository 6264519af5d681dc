//go:build unix

package auth

import (
	"fmt"
	"os"
)

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
