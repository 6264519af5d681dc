//go:build !linux

package disk

import (
	"errors"
	"os"
)

func allocate(*os.File, int64) error { return errors.ErrUnsupported }

// syncData waits until the disk has the file. On macOS, Sync also empties the cache of the disk.
func syncData(f *os.File) error { return f.Sync() }
