//go:build unix

package server

import (
	"math"
	"syscall"
)

// descriptorLimit returns how many file descriptors the process may have. Go has already raised the
// soft limit to the hard limit when the process started.
func descriptorLimit() (limit int, limited bool) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, false
	}
	if uint64(l.Cur) > math.MaxInt32 { // "infinity" has different values
		return 0, false
	}
	return int(l.Cur), true
}
