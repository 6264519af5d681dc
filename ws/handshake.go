package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"iter"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

// acceptGUID is the text that the server appends to the client's key (RFC 6455, section 1.3).
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// keyLength is the length of a decoded key in bytes (RFC 6455, section 4.1).
const keyLength = 16

// hangUp makes net/http close the connection after the response. A refused client does not need it
// any more, and an idle connection would use a file descriptor that is not counted. An HTTP/2
// connection stays open, because it may carry event streams.
func hangUp(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 1 {
		return
	}
	// net/http closes the connection only if "close" is the first value and stands alone.
	h := w.Header()
	h["Connection"] = append([]string{"close"}, h["Connection"]...)
}

// checkHandshake returns the value for Sec-WebSocket-Accept, or an error that says why the request
// is refused (RFC 6455, section 4.2). In that case it sets the headers of the response.
func checkHandshake(r *http.Request, answer http.Header) (accept string, _ error) {
	h := r.Header
	switch {
	case r.Method != http.MethodGet:
		answer.Set("Allow", "GET")
		return "", fault.MethodNotAllowed.With("This is a WebSocket: connect to it with GET.")
	case r.ProtoMajor == 2:
		return "", fault.Malformed.With("A WebSocket handshake needs HTTP/1.1, and this request came over HTTP/2: offer only http/1.1 when connecting (ALPN).")
	case !r.ProtoAtLeast(1, 1):
		return "", fault.Malformed.With("A WebSocket handshake needs HTTP/1.1. If a proxy in between uses HTTP/1.0, configure it to use 1.1 (in nginx, proxy_http_version).")
	case hasBody(r):
		return "", fault.Malformed.With("A WebSocket handshake has no body: send it without Content-Length, Transfer-Encoding and Expect.")
	case !httpguts.HeaderValuesContainsToken(h["Upgrade"], "websocket"):
		return "", upgradeRequired(answer, "This is a WebSocket, and the request has no header `Upgrade: websocket`. If it was sent, a proxy in between has dropped it.")
	case !httpguts.HeaderValuesContainsToken(h["Connection"], "upgrade"):
		return "", fault.Malformed.With("The request has no header `Connection: Upgrade`. If it was sent, a proxy in between has dropped it.")
	}
	switch list := h["Sec-Websocket-Version"]; {
	case len(list) > 1 || len(list) == 1 && strings.Contains(list[0], ","):
		return "", fault.Malformed.With("The header Sec-WebSocket-Version must be present once and have one number: send `Sec-WebSocket-Version: 13`.")
	case len(list) == 0 || list[0] != version:
		return "", upgradeRequired(answer, "The server supports only version 13 of the WebSocket protocol (RFC 6455): send `Sec-WebSocket-Version: 13`.")
	}
	list := h["Sec-Websocket-Key"]
	if len(list) != 1 || !validKey(list[0]) {
		return "", fault.Malformed.With("The header Sec-WebSocket-Key must be present once and have 16 bytes in base64.")
	}
	if !validProtocols(h["Sec-Websocket-Protocol"]) {
		return "", fault.Malformed.With("The header Sec-WebSocket-Protocol must have names, separated by commas: letters, digits and !#$%&'*+-.^_`|~ (RFC 6455, section 4.3).")
	}
	if !validExtensions(h["Sec-Websocket-Extensions"]) {
		return "", fault.Malformed.With("The header Sec-WebSocket-Extensions is not a list of extensions (RFC 6455, section 9.1).")
	}
	sum := sha1.Sum([]byte(list[0] + acceptGUID))
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}

// version is the protocol version of RFC 6455.
const version = "13"

// hasBody reports whether the request has a body or may have one. Otherwise the bytes of the
// body would be read as frames.
func hasBody(r *http.Request) bool {
	return r.ContentLength != 0 || len(r.TransferEncoding) > 0 || len(r.Header["Transfer-Encoding"]) > 0 || len(r.Header["Expect"]) > 0
}

// upgradeRequired is the error of a request that does not ask for a WebSocket of this version.
// The answer names the supported protocol (RFC 9110, section 15.5.22).
func upgradeRequired(answer http.Header, message string) error {
	answer.Set("Connection", "Upgrade")
	answer.Set("Upgrade", "websocket")
	answer.Set("Sec-WebSocket-Version", version)
	return fault.UpgradeRequired.With(message)
}

func validKey(key string) bool {
	var b [keyLength + 2]byte // DecodedLen counts the padding too
	if base64.StdEncoding.DecodedLen(len(key)) != len(b) {
		return false
	}
	n, err := base64.StdEncoding.Decode(b[:], []byte(key))
	return err == nil && n == keyLength
}

// elements yields the elements of a list that may span several headers. It skips empty elements
// (RFC 2616, section 2.1). Commas in quoted strings do not separate elements.
func elements(headers []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, h := range headers {
			for h != "" {
				n := separator(h, ',')
				if e := strings.Trim(h[:n], " \t"); e != "" && !yield(e) {
					return
				}
				h = h[min(n+1, len(h)):]
			}
		}
	}
}

// separator returns the index in s of the first separator outside a quoted string, or len(s) if
// there is none.
func separator(s string, sep byte) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && c == sep:
			return i
		}
	}
	return len(s)
}

// validToken reports whether s is a token (RFC 9110, section 5.6.2).
func validToken(s string) bool { return httpguts.ValidHeaderFieldName(s) }

// validProtocols reports whether the headers are lists of tokens.
func validProtocols(headers []string) bool {
	for e := range elements(headers) {
		if !validToken(e) {
			return false
		}
	}
	return true
}

// validExtensions reports whether the headers are lists of extensions (RFC 6455, section 9.1). An
// extension is a token with parameters. A parameter's value is a token, quoted or not.
func validExtensions(headers []string) bool {
	for e := range elements(headers) {
		n := separator(e, ';')
		if !validToken(strings.TrimRight(e[:n], " \t")) {
			return false
		}
		for n < len(e) {
			e = e[n+1:]
			n = separator(e, ';')
			if !validParameter(strings.Trim(e[:n], " \t")) {
				return false
			}
		}
	}
	return true
}

// validParameter reports whether s is a token, with or without a value.
func validParameter(s string) bool {
	name, value, given := strings.Cut(s, "=")
	if q, ok := strings.CutPrefix(strings.TrimLeft(value, " \t"), `"`); ok {
		q, ok = strings.CutSuffix(q, `"`)
		if !ok {
			return false
		}
		value = strings.ReplaceAll(q, `\`, "")
	}
	return validToken(strings.TrimRight(name, " \t")) && (!given || validToken(strings.Trim(value, " \t")))
}

// firstProtocol returns the first subprotocol that the client offers. The classic wire has no
// subprotocol, but a browser that offers some fails the connection if the server accepts none. So
// the server accepts the first one, whatever its name is.
func firstProtocol(headers []string) string {
	for e := range elements(headers) {
		return e
	}
	return ""
}

// answer is the response to a handshake.
type answer struct {
	accept    string // the value of Sec-WebSocket-Accept
	protocol  string // "" for none
	extension string // "" for none
}

func (a *answer) append(b []byte) []byte {
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = append(b, a.accept...)
	if a.protocol != "" {
		b = append(b, "\r\nSec-WebSocket-Protocol: "...)
		b = append(b, a.protocol...)
	}
	if a.extension != "" {
		b = append(b, "\r\nSec-WebSocket-Extensions: "...)
		b = append(b, a.extension...)
	}
	return append(b, "\r\n\r\n"...)
}
