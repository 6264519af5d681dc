package disk

import (
	"errors"
	"syscall"
)

// errorDiskFull and errorHandleDiskFull are Windows' errors of a full disk.
const (
	errorHandleDiskFull syscall.Errno = 39
	errorDiskFull       syscall.Errno = 112
)

func isFullHere(err error) bool {
	return errors.Is(err, errorDiskFull) || errors.Is(err, errorHandleDiskFull)
}
