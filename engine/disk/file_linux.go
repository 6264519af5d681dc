package disk

import (
	"errors"
	"os"
	"syscall"
)

// allocate reserves the space of a file. A file with reserved space is written with fewer
// operations of the disk than one that grows, and a full disk does not stop it.
func allocate(f *os.File, size int64) error {
	return control(f, func(fd int) error {
		err := syscall.Fallocate(fd, 0, 0, size)
		if err == syscall.ENOSYS || err == syscall.EOPNOTSUPP {
			return errors.ErrUnsupported
		}
		return err
	})
}

// syncData waits until the disk has the file's content, and its size if that has changed, but not
// the time of the change.
func syncData(f *os.File) error { return control(f, syscall.Fdatasync) }

// control calls the function with the file's descriptor, again if a signal has interrupted it.
func control(f *os.File, call func(fd int) error) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := c.Control(func(fd uintptr) {
		for {
			if failed = call(int(fd)); failed != syscall.EINTR {
				return
			}
		}
	}); err != nil {
		return err
	}
	return failed
}
