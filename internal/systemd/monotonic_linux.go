package systemd

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// Monotonic returns the state with the current time of the system's monotonic clock. It belongs to
// [Reloading], so that the manager knows which reload has begun.
func Monotonic() string {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return "" // this clock always exists
	}
	return "MONOTONIC_USEC=" + strconv.FormatInt(t.Nano()/1000, 10)
}
