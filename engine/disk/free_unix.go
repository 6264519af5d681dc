//go:build linux || darwin || freebsd

package disk

import "syscall"

// freeBytes returns the bytes of the directory's file system that this process may use, -1 if they
// are unknown.
func freeBytes(dir string) int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return -1
	}
	return int64(s.Bavail) * int64(s.Bsize)
}
