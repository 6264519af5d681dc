package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/boreas-pubsub/boreas/internal/fault"
)

// acceptGUID is what the server appends to the client's key (RFC 6455, section 1.3).
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// keyLength is how many bytes a key stands for (RFC 6455, section 4.1).
const keyLength = 16

// hangUp ends the connection after the answer. Who was refused has no more business on
// it, and a connection that lingers holds a descriptor that nothing counts. One of HTTP/2
// may have streams of events on it.
func hangUp(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}

// checkHandshake returns the value for Sec-WebSocket-Accept, or why the request is
// refused (RFC 6455, section 4.2), with the answer's headers for that.
func checkHandshake(r *http.Request, answer http.Header) (accept string, _ error) {
	h := r.Header
	switch {
	case r.Method != http.MethodGet:
		answer.Set("Allow", "GET")
		return "", fault.MethodNotAllowed.With("This is a WebSocket: connect to it with GET.")
	case r.ProtoMajor == 2:
		return "", fault.Malformed.With("A WebSocket handshake needs HTTP/1.1, and this came over HTTP/2: offer http/1.1 alone when connecting (ALPN).")
	case !r.ProtoAtLeast(1, 1):
		return "", fault.Malformed.With("A WebSocket handshake needs HTTP/1.1. A proxy in between may speak 1.0: see its proxy_http_version.")
	case !httpguts.HeaderValuesContainsToken(h["Upgrade"], "websocket"):
		answer.Set("Upgrade", "websocket")
		return "", fault.UpgradeRequired.With("This is a WebSocket, and the request has no header `Upgrade: websocket`. If it was sent, a proxy in between has dropped it.")
	case !httpguts.HeaderValuesContainsToken(h["Connection"], "upgrade"):
		return "", fault.Malformed.With("The request has no header `Connection: Upgrade`. If it was sent, a proxy in between has dropped it.")
	case h.Get("Sec-WebSocket-Version") != "13":
		answer.Set("Sec-WebSocket-Version", "13")
		return "", fault.UpgradeRequired.With("Only version 13 of the WebSocket protocol (RFC 6455) is spoken here: send `Sec-WebSocket-Version: 13`.")
	}
	key := strings.TrimSpace(h.Get("Sec-WebSocket-Key"))
	if len(h["Sec-Websocket-Key"]) != 1 || !validKey(key) {
		return "", fault.Malformed.With("The header Sec-WebSocket-Key must be there once and hold 16 bytes in base64.")
	}
	sum := sha1.Sum([]byte(key + acceptGUID))
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}

func validKey(key string) bool {
	var b [keyLength + 2]byte // DecodedLen counts the padding too
	if base64.StdEncoding.DecodedLen(len(key)) != len(b) {
		return false
	}
	n, err := base64.StdEncoding.Decode(b[:], []byte(key))
	return err == nil && n == keyLength
}

// firstProtocol returns the client's first choice of subprotocols. The classic wire
// has no name, but a browser that offers one and gets none back gives up. So
// whatever comes first is agreed to.
func firstProtocol(offer string) string {
	first, _, _ := strings.Cut(offer, ",")
	first = strings.TrimSpace(first)
	if !httpguts.ValidHeaderFieldName(first) { // a token, like a header's name
		return ""
	}
	return first
}
