package socket

import "net"

// Listener wraps a listener whose connections will carry TLS. A [Conn] can write to a tls.Conn over
// such a connection without waiting. Otherwise the connections behave as those of l.
func Listener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newNonblockingTLS(nc), nil
}
