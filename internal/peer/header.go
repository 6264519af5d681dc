package peer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// The specification is https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt. Section 2.1
// defines version 1, section 2.2 version 2.
const (
	signature1 = "PROXY "
	signature2 = "\r\n\r\n\x00\r\nQUIT\n"

	minLine = len("PROXY UNKNOWN\r\n")
	maxLine = 107 // the specification says of version 1: "a 108-byte buffer is always enough"

	// fixed is the length of the fixed part of version 2. The part ends with the length of the
	// rest.
	fixed = 16
)

// The commands of version 2. The upper four bits of the byte are the version.
const (
	commandLocal = 0x20
	commandProxy = 0x21
)

var (
	errNoHeader = errors.New("it does not begin with a header of the PROXY protocol")
	errLong     = errors.New("the header of the PROXY protocol is too long")
)

// invalid is the error for a header that breaks the specification.
func invalid(format string, args ...any) error {
	return fmt.Errorf("the header of the PROXY protocol is not valid: "+format, args...)
}

// families are the families of version 2 that a receiver must accept, by their byte, with the
// length of the address block in bytes. All other bytes must be refused.
var families = map[byte]struct {
	block   int // bytes of both addresses and ports
	address int // bytes of one IP address; 0 if the block has no IP address
}{
	0x00: {0, 0},                 // unspecified
	0x11: {12, 4}, 0x12: {12, 4}, // IPv4, stream and datagram
	0x21: {36, 16}, 0x22: {36, 16}, // IPv6
	0x31: {216, 0}, 0x32: {216, 0}, // Unix sockets
}

// readHeader reads exactly one header of the PROXY protocol. It returns the address of the
// client whose connection the proxy forwards. The result is the zero AddrPort if the connection
// is the proxy's own, such as a health check, or if the proxy does not know the client's IP
// address.
func readHeader(r io.Reader) (client netip.AddrPort, err error) {
	var buffer [128]byte // enough for version 1 and for the kept part of version 2
	b, err := more(r, buffer[:0], len(signature2))
	switch {
	case err != nil:
		return client, err
	case bytes.HasPrefix(b, []byte(signature1)):
		if b, err = readLine(r, b); err != nil {
			return client, err
		}
		return parseLine(string(b))
	case string(b) == signature2:
		return readBinary(r, b)
	}
	return client, errNoHeader
}

// readBinary reads the rest of version 2. It keeps nothing after the addresses, so the memory
// for a header does not depend on its length.
func readBinary(r io.Reader, b []byte) (client netip.AddrPort, err error) {
	if b, err = more(r, b, fixed-len(b)); err != nil {
		return client, err
	}
	command, family, rest := b[12], b[13], int(binary.BigEndian.Uint16(b[14:]))
	if command != commandLocal && command != commandProxy {
		return client, invalid("%#02x is no version and command", command)
	}
	if command == commandLocal { // for any family
		return client, skip(r, rest)
	}
	f, known := families[family]
	switch {
	case !known:
		return client, invalid("%#02x is no family and transport", family)
	case rest < f.block:
		return client, invalid("%d bytes are too few for the addresses of family %#02x", rest, family)
	case f.address == 0:
		return client, skip(r, rest)
	}
	if b, err = more(r, b, f.block); err != nil {
		return client, err
	}
	block := b[fixed:]
	address, _ := netip.AddrFromSlice(block[:f.address]) // it has the length of an IP address
	port := binary.BigEndian.Uint16(block[2*f.address:])
	return netip.AddrPortFrom(address.Unmap(), port), skip(r, rest-f.block)
}

// skip reads and discards the given number of bytes.
func skip(r io.Reader, n int) error {
	if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
		return cut(err)
	}
	return nil
}

// parseLine parses the line of version 1.
func parseLine(line string) (client netip.AddrPort, err error) {
	line, ok := strings.CutSuffix(line, "\r\n")
	if !ok {
		return client, invalid("its line does not end with CR LF")
	}
	words := strings.Split(line, " ")
	if words[1] == "UNKNOWN" { // the rest must be ignored
		return client, nil
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return client, invalid("%q", line)
	}
	var addresses [2]netip.Addr
	for i, word := range words[2:4] {
		address, err := netip.ParseAddr(word)
		if err != nil || address.Zone() != "" || address.Is4() != (words[1] == "TCP4") {
			return client, invalid("%q is no address of %s", word, words[1])
		}
		addresses[i] = address.Unmap()
	}
	var ports [2]uint16
	for i, word := range words[4:] {
		port, err := strconv.ParseUint(word, 10, 16)
		if err != nil || word != strconv.FormatUint(port, 10) { // no leading zeros
			return client, invalid("%q is no port", word)
		}
		ports[i] = uint16(port)
	}
	return netip.AddrPortFrom(addresses[0], ports[0]), nil
}

// readLine reads the rest of version 1. It never reads past the end of the line. While the line has
// not ended, it reads as many bytes as must still follow, because a read of a single byte costs as
// much as a system call for many.
func readLine(r io.Reader, b []byte) ([]byte, error) {
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

// more reads n more bytes and appends them to b.
func more(r io.Reader, b []byte, n int) ([]byte, error) {
	at := len(b)
	b = append(b, make([]byte, n)...)
	if _, err := io.ReadFull(r, b[at:]); err != nil {
		return nil, cut(err)
	}
	return b, nil
}

// cut is the error for an incomplete header.
func cut(err error) error {
	return fmt.Errorf("the header of the PROXY protocol did not come: %w", err)
}
