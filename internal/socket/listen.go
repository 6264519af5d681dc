package socket

import "net"

// Listener is for TLS over the connections of l: it makes them such that a tls.Conn over
// one can be written to without waiting, once it is attached to a [Conn]. To everything
// else they are as they were.
func Listener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newNonblockingTLS(nc), nil
}
