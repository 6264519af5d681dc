package testport

import (
	"os"
	"syscall"
)

// hold binds a port with SO_REUSEADDR and does not listen. Linux then lets another socket with that
// option, as Go's listeners have it, bind the same port, and never picks the port by itself.
func hold() (Held, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return Held{}, os.NewSyscallError("socket", err)
	}
	port, err := bind(fd)
	if err != nil {
		syscall.Close(fd)
		return Held{}, err
	}
	return Held{port, func() { syscall.Close(fd) }}, nil
}

func bind(fd int) (port int, err error) {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	address, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	return address.(*syscall.SockaddrInet4).Port, nil
}
