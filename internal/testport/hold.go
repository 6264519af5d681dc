// Package testport holds ports for servers that tests start, stop and start again at the same address.
package testport

import (
	"errors"
	"fmt"
)

// A Held is a port of the loopback address that no other program gets by chance.
//
// A port that is only known to be free is not enough: before the server listens there, or while it is
// down, the system may give the port to any listener or connection that asks for a free one. Tests that
// run at the same time ask for thousands.
type Held struct {
	Port    int
	release func()
}

// Addr returns the address of the port, as HOST:PORT.
func (h Held) Addr() string { return fmt.Sprintf("127.0.0.1:%d", h.Port) }

// Release gives the port up.
func (h Held) Release() { h.release() }

// Hold holds n ports. A server can listen at each of them while it is held.
func Hold(n int) (all []Held, err error) {
	for range n {
		h, err := hold()
		if err != nil {
			for _, h := range all {
				h.Release()
			}
			return nil, errors.Join(errors.New("hold a port for a server"), err)
		}
		all = append(all, h)
	}
	return all, nil
}
