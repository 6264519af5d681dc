package peer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

const (
	minLine = len("PROXY UNKNOWN\r\n")
	maxLine = 107 // "a 108-byte buffer is always enough" for version 1, says the specification

	// prefix is how much tells the versions apart: the signature of version 2.
	prefix = 12

	// fixed is the part of version 2 whose length is the same for all: it ends with the
	// length of the rest.
	fixed = 16

	// maxHeader is the longest header of version 2: addresses have 216 bytes at most, and a
	// client's certificate, the longest thing that may follow, has one or two KiB.
	maxHeader = 4 << 10
)

var (
	errNoHeader = errors.New("it does not begin with a header of the PROXY protocol")
	errLong     = errors.New("the header of the PROXY protocol is too long")
	errDatagram = errors.New("the header of the PROXY protocol is not of a stream")
)

// readHeader reads a header of the PROXY protocol and not a byte more. It returns whom the
// proxy speaks for; nobody if it speaks for itself, as for a health check, or does not know.
func readHeader(r io.Reader) (client netip.AddrPort, err error) {
	var buffer [256]byte // more than most need
	b, err := frame(r, buffer[:0])
	if err != nil {
		return client, err
	}
	header, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b), len(b)))
	if err != nil {
		return client, fmt.Errorf("the header of the PROXY protocol is not valid: %w", err)
	}
	if header.Command.IsLocal() || header.TransportProtocol.IsUnix() {
		return client, nil
	}
	tcp, ok := header.SourceAddr.(*net.TCPAddr)
	if !ok {
		return client, errDatagram
	}
	client = tcp.AddrPort()
	return netip.AddrPortFrom(client.Addr().Unmap(), client.Port()), nil
}

// frame reads the header's bytes.
func frame(r io.Reader, b []byte) ([]byte, error) {
	b, err := more(r, b, prefix)
	switch {
	case err != nil:
		return nil, err
	case bytes.HasPrefix(b, proxyproto.SIGV1):
		return frameLine(r, b)
	case bytes.Equal(b, proxyproto.SIGV2):
	default:
		return nil, errNoHeader
	}
	if b, err = more(r, b, fixed-prefix); err != nil {
		return nil, err
	}
	rest := int(binary.BigEndian.Uint16(b[fixed-2:]))
	if fixed+rest > maxHeader {
		return nil, errLong
	}
	return more(r, b, rest)
}

// frameLine reads the rest of version 1: a line. As long as it has not ended, so many
// bytes are sure to come: reading one by one would cost a system call each.
func frameLine(r io.Reader, b []byte) ([]byte, error) {
	n, err := minLine-len(b), error(nil)
	for {
		if b, err = more(r, b, n); err != nil {
			return nil, err
		}
		switch end := b[len(b)-1]; {
		case end == '\n':
			return b, nil
		case len(b) >= maxLine:
			return nil, errLong
		case end == '\r' || len(b) == maxLine-1:
			n = 1
		default:
			n = 2
		}
	}
}

// more reads so many bytes more.
func more(r io.Reader, b []byte, n int) ([]byte, error) {
	at := len(b)
	b = append(b, make([]byte, n)...)
	if _, err := io.ReadFull(r, b[at:]); err != nil {
		return nil, fmt.Errorf("the header of the PROXY protocol did not come: %w", err)
	}
	return b, nil
}
