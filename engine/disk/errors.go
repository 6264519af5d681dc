package disk

import (
	"errors"
	"fmt"

	"github.com/boreas-pubsub/boreas/v2/internal/dirlock"
)

// ErrInUse means that another process has the directory open.
var ErrInUse = dirlock.ErrHeld

// A DamageError means that a file does not have what was written to it. [Open] does not open a
// damaged directory, because its messages, or its end, may be missing without a trace. [Repair]
// keeps what is whole.
type DamageError struct {
	File   string // absolute
	Offset int64  // place of the first damaged record or field, in bytes
	Reason string
}

// Error implements error.
func (e *DamageError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s", e.File, e.Offset, e.Reason)
}

// A VersionError means that a file has a format of a newer version.
type VersionError struct {
	File    string // absolute
	Version uint32
}

// Error implements error.
func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format %d, and this version reads formats up to %d: use the newer version, or another directory", e.File, e.Version, formatVersion)
}

// asDamage reports whether the error says that a file is damaged.
func asDamage(err error) (*DamageError, bool) {
	var d *DamageError
	return d, errors.As(err, &d)
}
