//go:build !linux

package systemd

// Monotonic returns an empty state: the manager that needs it exists only on Linux.
func Monotonic() string { return "" }
