// Package dirlock locks a directory for one process.
package dirlock

import "errors"

// ErrHeld means that another process has the lock.
var ErrHeld = errors.New("another process uses it")
