package ws

import (
	"strconv"
	"strings"
)

// compression is what the server and a client have agreed on (RFC 7692, section 7.1). The zero value means that
// messages are not compressed.
type compression struct {
	// bits is the size of the client's window for messages of the server, as a power of two. 0 means no compression.
	bits uint8

	// context reports whether the client keeps its window from one message to the next.
	context bool

	// clientBits is the size of the server's window for messages of the client, or noContext.
	clientBits uint8
}

const (
	// noContext means that the client compresses each message on its own.
	noContext = 1

	minBits = 8
	maxBits = 15

	// maxClientBits bounds the memory that a connection needs for its client's messages: 1 KiB. With 15 bits it would
	// be eight times as much as all else.
	maxClientBits = 10
)

// negotiate returns the answer to the first offer that the server can accept, and what it means. It returns "" if
// there is none. In that case messages are not compressed.
func negotiate(headers []string) (answer string, _ compression) {
	for e := range elements(headers) {
		if answer, agreed, ok := acceptOffer(e); ok {
			return answer, agreed
		}
	}
	return "", compression{}
}

const extension = "permessage-deflate"

// The parameters of an offer (RFC 7692, section 7.1).
const (
	serverNoContext = "server_no_context_takeover"
	clientNoContext = "client_no_context_takeover"
	serverBits      = "server_max_window_bits"
	clientBits      = "client_max_window_bits"
)

// acceptOffer returns the answer to one offer. It returns false if the offer is for another extension, or has a
// parameter that is unknown, repeated, or has an invalid value (RFC 7692, section 7.1).
func acceptOffer(offer string) (answer string, agreed compression, ok bool) {
	n := separator(offer, ';')
	if strings.TrimRight(offer[:n], " \t") != extension {
		return "", compression{}, false
	}
	var noServerContext, noClientContext bool
	var forServer, forClient uint8 // bits; 0 if the offer does not say
	for n < len(offer) {
		offer = offer[n+1:]
		n = separator(offer, ';')
		name, value, given := parameter(offer[:n])
		switch {
		case name == serverNoContext && !given && !noServerContext:
			noServerContext = true
		case name == clientNoContext && !given && !noClientContext:
			noClientContext = true
		case name == serverBits && forServer == 0 && windowBits(value) != 0:
			forServer = windowBits(value)
		case name == clientBits && forClient == 0 && !given:
			forClient = maxBits
		case name == clientBits && forClient == 0 && windowBits(value) != 0:
			forClient = windowBits(value)
		default:
			return "", compression{}, false
		}
	}
	b := []byte(extension)
	agreed = compression{bits: maxBits, context: !noServerContext}
	if noServerContext {
		b = append(b, "; "+serverNoContext...)
	}
	if forServer != 0 {
		agreed.bits = forServer
		b = strconv.AppendUint(append(b, "; "+serverBits+"="...), uint64(forServer), 10)
	}
	if noClientContext || forClient == 0 {
		// Without a limit the server would have to keep 32 KiB.
		agreed.clientBits = noContext
		return string(append(b, "; "+clientNoContext...)), agreed, true
	}
	forClient = min(forClient, maxClientBits)
	b = strconv.AppendUint(append(b, "; "+clientBits+"="...), uint64(forClient), 10)
	// With 8 bits, zlib compresses with 9, and refers further back than it should.
	agreed.clientBits = max(forClient, minBits+1)
	return string(b), agreed, true
}

// parameter returns the name of a parameter of an extension, and its value, which may be quoted. The header is valid,
// see [validExtensions].
func parameter(s string) (name, value string, given bool) {
	name, value, given = strings.Cut(s, "=")
	value = strings.Trim(value, " \t")
	if quoted, ok := strings.CutPrefix(value, `"`); ok {
		value = strings.ReplaceAll(strings.TrimSuffix(quoted, `"`), `\`, "")
	}
	return strings.Trim(name, " \t"), value, given
}

// windowBits returns the value of a parameter, or 0 if it is not a number from 8 to 15 without leading zeros.
func windowBits(value string) uint8 {
	n, err := strconv.ParseUint(value, 10, 8)
	if err != nil || n < minBits || n > maxBits || strconv.FormatUint(n, 10) != value {
		return 0
	}
	return uint8(n)
}
