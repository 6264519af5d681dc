package smalldisk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A Disk is a file system in memory.
type Disk struct{ Dir string }

// New mounts a file system of so many bytes until the end of the test. It skips the test if this process may not do
// that.
func New(t testing.TB, bytes int) Disk { return Mount(t, fmt.Sprint("size=", bytes)) }

// Mount is New with options of tmpfs.
func Mount(t testing.TB, options string) Disk {
	t.Helper()
	d := Disk{t.TempDir()}
	err := syscall.Mount("tmpfs", d.Dir, "tmpfs", 0, options)
	if errors.Is(err, syscall.EPERM) {
		t.Skip("mounting a file system needs root")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(d.Dir, syscall.MNT_DETACH) }) // before the directory is removed
	return d
}

func (d Disk) ballast() string { return filepath.Join(d.Dir, "ballast") }

// Fill takes all the room but so many bytes.
func (d Disk) Fill(t testing.TB, but int64) {
	t.Helper()
	var left syscall.Statfs_t
	if err := syscall.Statfs(d.Dir, &left); err != nil {
		t.Fatal(err)
	}
	// Others may take some of it meanwhile.
	err := os.WriteFile(d.ballast(), make([]byte, max(int64(left.Bavail)*int64(left.Bsize)-but, 0)), 0o600)
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// Free undoes Fill.
func (d Disk) Free(t testing.TB) {
	t.Helper()
	if err := os.Remove(d.ballast()); err != nil {
		t.Fatal(err)
	}
}
