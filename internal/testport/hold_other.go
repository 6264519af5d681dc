//go:build !linux

package testport

import "net"

// hold returns a port that nobody listens at. It cannot hold it on this system.
func hold() (Held, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Held{}, err
	}
	defer l.Close()
	return Held{l.Addr().(*net.TCPAddr).Port, func() {}}, nil
}
